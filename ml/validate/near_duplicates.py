"""Finds near-duplicates among thumbnails without comparing all pairs; the result is exact.

Equal thumbnails are found by sorting. For the rest, a signed sum of a thumbnail's values changes by
at most the sum of the absolute differences. So pictures that are near in all values are near in any
such sum, and a k-d tree over a few sums names the few pairs that are worth a comparison.
"""

from bisect import bisect_left
from itertools import product

import numpy as np
from scipy.spatial import KDTree

SIDE = 8  # pixels a side of a thumbnail
SAME = 2.0  # of 255: pictures up to this mean difference of their thumbnails are near-duplicates
CHUNK = 64  # thumbnails that are looked up at once; each may be near all others, in all sums
# Signs along one side: all, halves, quarters (inner against outer, alternating), as Walsh has them.
WAVES = np.repeat([[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, -1, 1], [1, -1, 1, -1]], SIDE // 4, axis=1)
COLOURS = [[1, 1, 1], [1, 0, -1], [1, -1, 1]]  # brightness, and two contrasts


def nearest_earlier(thumbnails: np.ndarray) -> np.ndarray:
    """Finds for each thumbnail the nearest one before it, if that is a near-duplicate.

    Of several at the same distance the first counts.

    Args:
        thumbnails: uint8 (thumbnails, SIDE · SIDE · 3).

    Returns:
        int64 (thumbnails,): place of the nearest, or -1.
    """
    nearest = np.full(len(thumbnails), -1)
    if len(thumbnails) < 2:
        return nearest
    _, first, which = np.unique(thumbnails, axis=0, return_index=True, return_inverse=True)
    first_equal = first[which.reshape(-1)]
    again = first_equal < np.arange(len(thumbnails))
    nearest[again] = first_equal[again]
    distinct = np.sort(first)
    found = _nearest_of_distinct(thumbnails[distinct])
    near = found >= 0
    nearest[distinct[near]] = distinct[found[near]]
    return nearest


def _nearest_of_distinct(thumbnails: np.ndarray) -> np.ndarray:
    limit = int(SAME * thumbnails.shape[1])  # as a sum of differences, which are whole numbers
    values, sums = thumbnails.astype(np.float32), thumbnails.astype(np.float64) @ _signs().T
    tree = KDTree(sums)
    best = np.full(len(thumbnails), -1)
    for start in range(0, len(thumbnails), CHUNK):
        chunk = sums[start : start + CHUNK]
        close = tree.query_ball_point(chunk, limit, p=np.inf, return_sorted=True)
        for later, near in enumerate(close, start):
            earlier = near[: bisect_left(near, later)]
            if earlier:
                distances = np.abs(values[earlier] - values[later]).sum(axis=1)
                nearest = int(distances.argmin())
                if distances[nearest] <= limit:
                    best[later] = earlier[nearest]
    return best


def _signs() -> np.ndarray:
    """The signs of each sum, one row a sum; no sign is larger than 1."""
    shades = [np.einsum("i,j,c->ijc", *one) for one in product(WAVES, WAVES, COLOURS[:1])]
    tints = [np.einsum("i,j,c->ijc", *one) for one in product(WAVES[:2], WAVES[:2], COLOURS[1:])]
    return np.stack([one.ravel() for one in (*shades, *tints)]).astype(np.float64)
