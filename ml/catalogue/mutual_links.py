"""The links of mutual nearest neighbours in a large block, without the matrix of its distances."""

import numpy as np

from ml.catalogue.near_pairs import Points, tiles
from ml.grouping.hierarchical import NEIGHBOURS, TIE


def mutual_links(points: Points, threshold: float) -> np.ndarray:
    """Finds the links of `ml.grouping.hierarchical.mutual` within a threshold.

    The first pass over all distances finds how far each product's nearest ones reach, the second
    those that are within the reach of each other.

    Args:
        points: products, more than `NEIGHBOURS`.
        threshold: distance.

    Returns:
        int (links, 2), positions of products, the nearest links first.
    """
    starts = np.arange(len(points.vectors))
    farthest = np.float32(1 - threshold)
    nearest = np.full((len(starts), NEIGHBOURS), farthest)  # sorted, the nearest last
    for first, other, near in tiles(points, starts):
        if first == other:
            np.fill_diagonal(near, -np.inf)
        else:
            _keep_nearest(nearest[other : other + near.shape[1]], near.T)
        _keep_nearest(nearest[first : first + near.shape[0]], near)
    reach = np.maximum(nearest[:, 0] - TIE, farthest).astype(np.float32)
    found = [(np.zeros(0), np.zeros(0, int), np.zeros(0, int))]
    for first, other, near in tiles(points, starts):
        linked = near >= reach[first : first + near.shape[0], None]
        linked &= near >= reach[other : other + near.shape[1]]
        left, right = np.nonzero(np.triu(linked, 1) if first == other else linked)
        found.append((1 - near[left, right], left + first, right + other))
    distance, left, right = (np.concatenate(one) for one in zip(*found, strict=True))
    return np.stack([left, right], axis=1)[np.argsort(distance, kind="stable")]


def _keep_nearest(nearest: np.ndarray, near: np.ndarray) -> None:
    """Replaces, in place, what others are nearer than: (rows, NEIGHBOURS) by (rows, others)."""
    hit = np.flatnonzero(near.max(axis=1) > nearest[:, 0])
    last = min(NEIGHBOURS, near.shape[1])
    best = np.partition(near[hit], -last, axis=1)[:, -last:]
    nearest[hit] = np.sort(np.append(nearest[hit], best, axis=1), axis=1)[:, -NEIGHBOURS:]
