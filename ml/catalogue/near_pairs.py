"""Finds the near pairs of a block exactly, tile by tile, in bounded memory."""

from collections.abc import Iterable, Iterator
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


Tile = tuple[np.ndarray, np.ndarray, np.ndarray]  # rows, columns, 1 − distance
Found = tuple[np.ndarray, np.ndarray, np.ndarray]  # left, right, distance


def near_pairs(visited: Iterable[Tile], threshold: float) -> NearPairs:
    """Finds all pairs within the threshold, or the nearest of them if they are many.

    Args:
        visited: tiles in which no pair comes twice.
        threshold: distance.
    """
    none = np.zeros(0, np.int32)
    found: list[Found] = [(none, none, np.zeros(0, np.float32))]
    count, within = 0, threshold
    for rows, columns, near in visited:
        left, right = np.divmod(np.flatnonzero(near >= 1 - within), near.shape[1])
        ends = rows[left].astype(np.int32), columns[right].astype(np.int32)
        found.append((np.minimum(*ends), np.maximum(*ends), 1 - near[left, right]))
        count += len(left)
        if count > 2 * PAIRS:
            found, within = _nearest(found)
            count = len(found[0][0])
    left, right, distance = (np.concatenate(one) for one in zip(*found, strict=True))
    return NearPairs(left, right, distance, within)


def near_components(visited: Iterable[Tile], label: np.ndarray, threshold: float) -> np.ndarray:
    """Joins all points that a chain of near pairs joins.

    Args:
        visited: tiles of points.
        label: int (points,), from 0: points that are joined to begin with.
        threshold: distance.

    Returns:
        int (points,), the connected components.
    """
    for rows, columns, near in visited:
        left, right = np.nonzero(near >= 1 - threshold)
        ends = label[rows[left]], label[columns[right]]
        size = int(label.max()) + 1
        links = coo_array((np.ones(len(left), bool), ends), (size, size))
        label = connected_components(links, directed=False)[1][label]
    return label


def tiles(points: Points, starts: np.ndarray | None = None) -> Iterator[Tile]:
    """Visits all pairs of segments.

    Args:
        points: sorted by segment.
        starts: int (segments,), the first point of each segment of at most `TILE` points; None:
            each point is a segment.

    Yields:
        The segments of a tile's rows and columns, and 1 − distance of each pair: float32 (rows,
        columns), the smallest between their points, −inf where a pair comes elsewhere.
    """
    starts = np.arange(len(points.vectors)) if starts is None else starts
    ends, bounds = np.append(starts, len(points.vectors)), [0]
    while bounds[-1] < len(starts):
        bounds.append(int(np.searchsorted(ends, ends[bounds[-1]] + TILE, side="right")) - 1)
    chunks = [
        (np.arange(first, end), points.take(slice(ends[first], ends[end])))
        for first, end in pairwise(bounds)
    ]
    for place, (rows, points_of_rows) in enumerate(chunks):
        for columns, points_of_columns in chunks[place:]:
            near = points_of_rows.likeness(points_of_columns)
            for axis, segments in ((1, columns), (0, rows)):
                if len(segments) < near.shape[axis]:
                    at = starts[segments] - starts[segments[0]]
                    near = np.minimum.reduceat(near, at, axis=axis)
            if rows is columns:
                near[np.tri(len(rows), dtype=bool)] = -np.inf
            yield rows, columns, near


def _nearest(found: list[Found]) -> tuple[list[Found], float]:
    """Keeps the nearest pairs, `PAIRS` at most, and says within which distance none is missing.

    If more pairs tie for the smallest distance, any of them are kept: the order of ties is free.
    """
    left, right, distance = (np.concatenate(one) for one in zip(*found, strict=True))
    limit = np.partition(distance, PAIRS)[PAIRS]
    kept = np.flatnonzero(distance < limit)
    if not len(kept):
        kept = np.flatnonzero(distance == limit)[:PAIRS]
    return [(left[kept], right[kept], distance[kept])], float(distance[kept].max())
