"""Finds the near pairs of a block exactly, tile by tile, in bounded memory."""

from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

TILE = 4096  # points a side of a tile: 64 MB
PAIRS = 10_000_000  # pairs that are kept at once: 120 MB, and a few times that to sort them


class Points(NamedTuple):
    """Products, or means of products, whose distances hysteresis changes.

    The distance of two means is the mean distance of their products.

    Attributes:
        vectors: float32 (points, size).
        known: float32 (points,), share of the products that have an earlier group.
        earlier: float32 (points, earlier groups), share of the products in each of them.
        margin: as of `ml.catalogue.block_clustering.Held`.
    """

    vectors: np.ndarray
    known: np.ndarray
    earlier: csr_array
    margin: float

    def take(self, places: np.ndarray | slice) -> "Points":
        """Returns some of the points."""
        return Points(self.vectors[places], self.known[places], self.earlier[places], self.margin)

    def mixed(self, shares: csr_array) -> "Points":
        """Returns weighted sums of points: `shares` is float32 (sums, points)."""
        return Points(
            shares @ self.vectors, shares @ self.known, shares @ self.earlier, self.margin
        )

    def likeness(self, others: "Points") -> np.ndarray:
        """Computes 1 − distance of all points to all others: float32 (points, others)."""
        near = self.vectors @ others.vectors.T
        if self.margin:
            near -= np.multiply.outer(np.float32(self.margin) * self.known, others.known)
            together = (self.earlier @ others.earlier.T).tocoo()
            near[together.row, together.col] += np.float32(2 * self.margin) * together.data
        return near

    def pairwise_likeness(self, others: "Points") -> np.ndarray:
        """Computes 1 − distance of each point to the other in its place: float32 (points,)."""
        near = np.einsum("ij,ij->i", self.vectors, others.vectors)
        if self.margin:
            together = self.earlier.multiply(others.earlier).sum(axis=1)
            near += np.float32(self.margin) * (2 * together - self.known * others.known)
        return np.asarray(near)


class NearPairs(NamedTuple):
    """Pairs of segments.

    Attributes:
        left, right: int32 (pairs,), numbers of segments, left < right.
        distance: float32 (pairs,), the largest between their points.
        within: the distance up to which no pair is missing.
    """

    left: np.ndarray
    right: np.ndarray
    distance: np.ndarray
    within: float


def near_pairs(points: Points, starts: np.ndarray, threshold: float) -> NearPairs:
    """Finds all pairs of segments within the threshold, or the nearest of them if they are many.

    Args:
        points: sorted by segment.
        starts: int (segments,), the first point of each segment of at most `TILE` points.
        threshold: distance.
    """
    none = np.zeros(0, np.int32)
    found = [(none, none, np.zeros(0, np.float32))]
    count, within = 0, threshold
    for first, other, near in tiles(points, starts):
        left, right = _places(near >= 1 - within, first == other)
        places = [(left + first).astype(np.int32), (right + other).astype(np.int32)]
        found.append((*places, 1 - near[left, right]))
        count += len(left)
        if count > 2 * PAIRS:
            found, within = _nearest(found)
            count = len(found[0][0])
    left, right, distance = (np.concatenate(one) for one in zip(*found, strict=True))
    return NearPairs(left, right, distance, within)


def near_components(points: Points, label: np.ndarray, threshold: float) -> np.ndarray:
    """Joins all points that a chain of near pairs joins.

    Args:
        points: products.
        label: int (points,), from 0: points that are joined to begin with.
        threshold: distance.

    Returns:
        int (points,), the connected components.
    """
    for first, other, near in tiles(points, np.arange(len(label))):
        left, right = _places(near >= 1 - threshold, first == other)
        ends = label[left + first], label[right + other]
        size = int(label.max()) + 1
        links = coo_array((np.ones(len(left), bool), ends), (size, size))
        label = connected_components(links, directed=False)[1][label]
    return label


def tiles(points: Points, starts: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    """Computes the upper triangle of the matrix of segments.

    Args:
        points, starts: as of `near_pairs`.

    Yields:
        The first segment of the tile's rows, that of its columns, and 1 − distance of the segments:
        float32 (rows, columns), the smallest between their points.
    """
    ends, bounds = np.append(starts, len(points.vectors)), [0]
    while bounds[-1] < len(starts):
        bounds.append(int(np.searchsorted(ends, ends[bounds[-1]] + TILE, side="right")) - 1)
    chunks = [
        (first, points.take(slice(ends[first], ends[end])), starts[first:end] - ends[first])
        for first, end in pairwise(bounds)
    ]
    for place, (first, rows, row_starts) in enumerate(chunks):
        for other, columns, column_starts in chunks[place:]:
            near = rows.likeness(columns)
            if len(column_starts) < near.shape[1]:
                near = np.minimum.reduceat(near, column_starts, axis=1)
            if len(row_starts) < near.shape[0]:
                near = np.minimum.reduceat(near, row_starts, axis=0)
            yield first, other, near


def _places(chosen: np.ndarray, diagonal: bool) -> tuple[np.ndarray, np.ndarray]:
    """Returns rows and columns of a tile's chosen pairs; on the diagonal each pair comes once."""
    if diagonal:
        chosen = np.triu(chosen, 1)
    left, right = np.divmod(np.flatnonzero(chosen), chosen.shape[1])
    return left, right


def _nearest(
    found: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], float]:
    """Keeps the nearest pairs, `PAIRS` at most, and says within which distance none is missing.

    If more pairs tie for the smallest distance, any of them are kept: the order of ties is free.
    """
    left, right, distance = (np.concatenate(one) for one in zip(*found, strict=True))
    limit = np.partition(distance, PAIRS)[PAIRS]
    kept = np.flatnonzero(distance < limit)
    if not len(kept):
        kept = np.flatnonzero(distance == limit)[:PAIRS]
    return [(left[kept], right[kept], distance[kept])], float(distance[kept].max())
