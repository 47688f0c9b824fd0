"""The links of mutual nearest neighbours in a large block, without the matrix of its distances."""

import numpy as np

from ml.catalogue.cells import visits
from ml.catalogue.near_pairs import Points
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
    visit = visits(points, threshold)
    farthest = np.float32(1 - threshold)
    nearest = np.full((len(points.vectors), NEIGHBOURS), farthest)  # sorted, the nearest last
    for rows, columns, near in visit():
        nearest[rows] = _nearest_of(nearest[rows], near)
        nearest[columns] = _nearest_of(nearest[columns], near.T)
    reach = np.maximum(nearest[:, 0] - TIE, farthest).astype(np.float32)
    found = [(np.zeros(0), np.zeros(0, int), np.zeros(0, int))]
    for rows, columns, near in visit():
        left, right = np.nonzero((near >= reach[rows, None]) & (near >= reach[columns]))
        found.append((1 - near[left, right], rows[left], columns[right]))
    distance, left, right = (np.concatenate(one) for one in zip(*found, strict=True))
    return np.stack([left, right], axis=1)[np.argsort(distance, kind="stable")]


def _nearest_of(nearest: np.ndarray, near: np.ndarray) -> np.ndarray:
    """Adds others to the nearest so far: (rows, NEIGHBOURS) from these and (rows, others)."""
    hit = np.flatnonzero(near.max(axis=1) > nearest[:, 0])
    last = min(NEIGHBOURS, near.shape[1])
    best = np.partition(near[hit], -last, axis=1)[:, -last:]
    nearest[hit] = np.sort(np.append(nearest[hit], best, axis=1), axis=1)[:, -NEIGHBOURS:]
    return nearest
