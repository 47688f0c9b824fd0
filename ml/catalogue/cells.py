"""Approximate neighbours, for a block too large to visit all pairs.

The products lie in cells around the centers of k-means, as in an inverted file (IVF; Sivic and
Zisserman 2003). Each product probes a few cells, those whose centers are nearest to it. A pair is
visited if one product probes the other's cell.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from sklearn.cluster import MiniBatchKMeans

from ml.catalogue.near_pairs import TILE, Points, Tile, tiles

EXACT = 200_000  # points: up to here all pairs are visited, which takes minutes
CELL = 2_000  # points, on average
PROBES = 12  # cells that a point probes, with its own
SAMPLE = 300  # points that are also compared with all others, for the recall
CHUNK = 65_536  # points at once


def visits(points: Points, threshold: float) -> Callable[[], Iterator[Tile]]:
    """Chooses the pairs to visit: all, or those of cells if there are more than `EXACT` points.

    Of cells it prints the recall: the share of near pairs that are visited, on a sample.

    Args:
        points: products or means.
        threshold: distance.

    Returns:
        A function that visits each of these pairs once.
    """
    count = len(points.vectors)
    if count <= EXACT:
        return partial(tiles, points)
    probed = probe_cells(points.vectors)
    recall, near = measure_recall(points, probed, threshold)
    print(
        f"note: a block of {count:,} is too large to compare all pairs: approximate neighbours "
        f"find {recall:.1%} of the {near:,} near pairs of {SAMPLE} products",
        flush=True,
    )
    return partial(cell_tiles, points, probed)


def probe_cells(vectors: np.ndarray) -> np.ndarray:
    """Cuts a block into cells: int32 (points, probes), those a point probes, its own first."""
    random, cells = np.random.default_rng(0), len(vectors) // CELL + 1
    sample = random.choice(len(vectors), min(len(vectors), 50 * cells), replace=False)
    model = MiniBatchKMeans(cells, batch_size=4096, n_init=1, max_iter=20, random_state=0)
    centers = model.fit(vectors[np.sort(sample)]).cluster_centers_.astype(np.float32)
    half = (centers**2).sum(axis=1) / 2
    return np.concatenate(
        [
            np.argsort(half - vectors[at : at + CHUNK] @ centers.T, axis=1)[:, :PROBES]
            for at in range(0, len(vectors), CHUNK)
        ],
        dtype=np.int32,
    )


def cell_tiles(points: Points, probed: np.ndarray) -> Iterator[Tile]:
    """Visits the pairs of which one point probes the other's cell, each once.

    Args:
        points: products or means.
        probed: of `probe_cells`.

    Yields:
        As of `ml.catalogue.near_pairs.tiles`.
    """
    own, cells = probed[:, 0], int(probed.max()) + 1
    order = np.argsort(own, kind="stable")
    members = np.split(order, np.searchsorted(own[order], np.arange(1, cells)))
    for cell in members:
        for rows, columns, near in tiles(points.take(cell)):
            yield cell[rows], cell[columns], near
    point, other = np.repeat(np.arange(len(own)), probed.shape[1] - 1), probed[:, 1:].ravel()
    first, last = np.minimum(own[point], other), np.maximum(own[point], other)
    key = first.astype(np.int64) * cells + last
    order = np.argsort(key, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1):
        if not len(group):
            continue
        one, two = int(first[group[0]]), int(last[group[0]])
        inside = own[point[group]] == one
        probing, probing_back = point[group[inside]], point[group[~inside]]
        yield from _between(points, probing, members[two])
        rest = members[one][~np.isin(members[one], probing)]
        yield from _between(points, rest, probing_back)


def _between(points: Points, rows: np.ndarray, columns: np.ndarray) -> Iterator[Tile]:
    for at in range(0, len(rows), TILE):
        for to in range(0, len(columns), TILE):
            some, others = rows[at : at + TILE], columns[to : to + TILE]
            yield some, others, points.take(some).likeness(points.take(others))


def measure_recall(points: Points, probed: np.ndarray, threshold: float) -> tuple[float, int]:
    """Searches the neighbours of some points exactly.

    Returns:
        The share of their near pairs that `cell_tiles` visits, and the number of near pairs.
    """
    count = len(points.vectors)
    rows = np.random.default_rng(1).choice(count, min(SAMPLE, count), replace=False)
    own, sample, seen = probed[:, 0], points.take(rows), [np.zeros(0, bool)]
    for at in range(0, count, CHUNK):
        near = sample.likeness(points.take(slice(at, at + CHUNK)))
        left, right = np.nonzero(near >= 1 - threshold)
        left, right = rows[left], right + at
        left, right = left[left != right], right[left != right]
        there = (probed[left] == own[right, None]).any(axis=1)
        seen.append(there | (probed[right] == own[left, None]).any(axis=1))
    found = np.concatenate(seen)
    return float(found.mean()) if len(found) else 1.0, len(found)
