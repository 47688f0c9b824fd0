"""Average and complete linkage of a large block, without the matrix of its distances.

The groups are those of `ml.grouping.hierarchical`, except for ties, by three theorems:

1. Two clusters that are within a distance t of each other hold two products within t, by either
   linkage. So the near pairs alone decide what merges at t or below.
2. Both linkages are reducible: a union is no nearer to a third cluster than the nearer one of its
   parts. So all clusters that are each other's nearest can merge at once (Murtagh 1983).
3. The clusters at t are those at a smaller distance, merged further. So if the near pairs are too
   many to be kept, the nearest of them merge first, and what results has fewer pairs.

The mean distance of two clusters of unit vectors is 1 − the product of their means. The largest is
within t only if all pairs of their parts are.
"""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import csr_array

from ml.catalogue.cells import EXACT, visits
from ml.catalogue.near_pairs import TILE, NearPairs, Points, Tile, near_pairs, tiles

CHUNK = 65_536  # pairs of means whose distances are computed at once


def large_linkage(
    points: Points, label: np.ndarray, apart: np.ndarray, threshold: float, complete: bool
) -> np.ndarray:
    """Clusters by average or complete linkage at a threshold.

    Args:
        points: products.
        label: int (products,), from 0: clusters to begin with.
        apart: int (any, 2), positions of products that must not be together.
        threshold: distance.
        complete: by complete linkage; otherwise by average linkage.

    Returns:
        int (products,), the clusters from 0.
    """
    within, visit = -np.inf, visits(points, threshold) if complete else None
    while within < threshold:
        size = np.bincount(label)
        shares = (1 / size[label]).astype(np.float32), (label, np.arange(len(label)))
        means = None if complete else points.mixed(csr_array(shares))
        if visit and len(label) > EXACT:
            pairs = _visited_pairs(visit(), label, threshold)
        elif means is None:
            pairs = _complete_pairs(points, label, threshold)
        else:
            pairs = near_pairs(visits(means, threshold)(), threshold)
        within = pairs.within
        merged = _merge(pairs, size, label[apart], means)
        if within < threshold and (merged == np.arange(len(size))).all():
            print(
                f"warning: too many of {len(label):,} products are alike: they are grouped at a "
                f"distance of {within:.3f} instead of {threshold:.3f}",
                flush=True,
            )
            return label
        label = np.unique(merged[label], return_inverse=True)[1]
    return label


def _visited_pairs(visited: Iterable[Tile], label: np.ndarray, threshold: float) -> NearPairs:
    """Finds the pairs of clusters of which all pairs of products are visited and near."""
    pairs = near_pairs(_of_two(visited, label), threshold)
    left, right = label[pairs.left], label[pairs.right]
    return NearPairs(*_whole(left, right, pairs.distance, np.bincount(label)), pairs.within)


def _of_two(visited: Iterable[Tile], label: np.ndarray) -> Iterator[Tile]:
    """Leaves the pairs of one cluster out."""
    for rows, columns, near in visited:
        near[np.equal.outer(label[rows], label[columns])] = -np.inf
        yield rows, columns, near


def _complete_pairs(points: Points, label: np.ndarray, threshold: float) -> NearPairs:
    """Finds the pairs of clusters that are near as a whole."""
    order = np.argsort(label, kind="stable")
    size = np.bincount(label)
    first = np.cumsum(size) - size
    place = np.arange(len(label)) - first[label[order]]
    starts = np.flatnonzero(place % TILE == 0)
    cluster = label[order][starts]  # of each segment
    pairs = near_pairs(tiles(points.take(order), starts), threshold)
    parts = np.bincount(cluster)
    if parts.max() == 1:
        return pairs
    left, right = cluster[pairs.left], cluster[pairs.right]
    return NearPairs(*_whole(left, right, pairs.distance, parts), pairs.within)


def _whole(
    left: np.ndarray, right: np.ndarray, distance: np.ndarray, parts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unites pairs of parts to pairs of wholes of which no pair of parts is missing.

    Args:
        left, right: int (pairs,), the whole of each part.
        distance: float32 (pairs,).
        parts: int (wholes,), numbers of parts.

    Returns:
        left < right, and the largest distance of the parts.
    """
    key = _keys(left, right, len(parts))
    order = np.argsort(key, kind="stable")
    key = key[order]
    first = np.flatnonzero(np.append(True, key[1:] != key[:-1])[: len(key)])
    count = np.diff(np.append(first, len(key)))
    low, high = np.divmod(key[first], len(parts))
    whole = (low != high) & (count == parts[low] * parts[high])
    largest = np.maximum.reduceat(distance[order], first) if len(first) else distance
    return low[whole].astype(np.int32), high[whole].astype(np.int32), largest[whole]


def _keys(left: np.ndarray, right: np.ndarray, clusters: int) -> np.ndarray:
    """Returns one number for each unordered pair of clusters: int64 (pairs,)."""
    return np.minimum(left, right).astype(np.int64) * clusters + np.maximum(left, right)


def _merge(
    pairs: NearPairs, size: np.ndarray, apart: np.ndarray, means: Points | None
) -> np.ndarray:
    """Merges clusters until no pair is within `pairs.within`.

    Args:
        pairs: of clusters.
        size: int (clusters,), numbers of products.
        apart: int (any, 2), clusters that must not merge.
        means: of the clusters, by average linkage; None by complete linkage.

    Returns:
        int (clusters,), the cluster that each became.
    """
    clusters = len(size)
    final = np.arange(clusters, dtype=np.int32)
    allowed = ~np.isin(
        _keys(pairs.left, pairs.right, clusters), _keys(apart[:, 0], apart[:, 1], clusters)
    )
    left, right, distance = (one[allowed] for one in pairs[:3])
    while len(distance):
        kept, gone = _reciprocal_nearest(clusters, left, right, distance)
        step = np.arange(clusters, dtype=np.int32)
        step[gone] = kept
        final, apart, left, right = step[final], step[apart], step[left], step[right]
        parts = np.ones(clusters, dtype=int)
        parts[kept] = 2
        changed = (parts[left] == 2) | (parts[right] == 2)
        new = left[changed], right[changed], distance[changed]
        if means is None:
            new = _whole(*new, parts)
        else:
            means = _united(means, size, kept, gone)
            new = _mean_pairs(means, *new[:2])
        size[kept] += size[gone]
        near = new[2] <= pairs.within
        near &= ~np.isin(_keys(*new[:2], clusters), _keys(apart[:, 0], apart[:, 1], clusters))
        left, right, distance = (
            np.concatenate([one[~changed], another[near]])
            for one, another in zip((left, right, distance), new, strict=True)
        )
    return final


def _reciprocal_nearest(
    clusters: int, left: np.ndarray, right: np.ndarray, distance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Finds clusters that are each other's nearest, each cluster once: left and right ones."""
    nearest = np.full(clusters, np.inf, dtype=np.float32)
    np.minimum.at(nearest, left, distance)
    np.minimum.at(nearest, right, distance)
    mutual = (distance == nearest[left]) & (distance == nearest[right])
    left, right, distance = left[mutual], right[mutual], distance[mutual]
    order = np.lexsort((right, left, distance))
    left, right, found = left[order], right[order], []
    while len(left):  # more than once if there are ties
        rank = np.arange(len(left))
        first = np.full(clusters, len(left))
        np.minimum.at(first, left, rank)
        np.minimum.at(first, right, rank)
        chosen = (first[left] == rank) & (first[right] == rank)
        found.append((left[chosen], right[chosen]))
        free = np.ones(clusters, dtype=bool)
        free[left[chosen]] = free[right[chosen]] = False
        rest = free[left] & free[right]
        left, right = left[rest], right[rest]
    kept, gone = (np.concatenate(one) for one in zip(*found, strict=True))
    return kept, gone


def _united(means: Points, size: np.ndarray, kept: np.ndarray, gone: np.ndarray) -> Points:
    """Moves the mean of each kept cluster to that of its union with the one that is gone."""
    share = (size[kept] / (size[kept] + size[gone])).astype(np.float32)
    alone = np.ones(len(size), dtype=np.float32)
    alone[kept] = share
    every = np.arange(len(size))
    if means.margin:
        values = np.append(alone, 1 - share)
        places = np.append(every, kept), np.append(every, gone)
        shares = csr_array((values, places), shape=(len(size), len(size)))
        means = means._replace(known=shares @ means.known, earlier=shares @ means.earlier)
    for at in range(0, len(kept), CHUNK):
        one, other = kept[at : at + CHUNK], gone[at : at + CHUNK]
        part = share[at : at + CHUNK, None]
        means.vectors[one] = part * means.vectors[one] + (1 - part) * means.vectors[other]
    return means


def _mean_pairs(
    means: Points, left: np.ndarray, right: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the distances of pairs of means, each pair once: left < right, and distance."""
    key = np.unique(_keys(left, right, len(means.vectors)))
    left, right = (one.astype(np.int32) for one in np.divmod(key, len(means.vectors)))
    left, right = left[left != right], right[left != right]
    distance = np.empty(len(left), dtype=np.float32)
    for at in range(0, len(left), CHUNK):
        chunk = slice(at, at + CHUNK)
        pair = means.take(left[chunk]), means.take(right[chunk])
        distance[chunk] = 1 - pair[0].pairwise_likeness(pair[1])
    return left, right, distance
