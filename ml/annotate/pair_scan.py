"""Visits all pairs of products within blocks, tile by tile, so that memory stays bounded."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

TILE = 1024  # products a side of a tile: some 100 MB with all that is computed of its pairs


class View(NamedTuple):
    """How an encoder sees the products.

    Attributes:
        relative: takes positions, int (n,), of all products of a block and returns float32 (n,
            size), embeddings relative to the block, each of length 1.
        threshold: 1 − cosine up to which it takes two products for variants.
        seen: bool (products,), whether it has an embedding.
    """

    relative: Callable[[np.ndarray], np.ndarray]
    threshold: float
    seen: np.ndarray


class Pairs(NamedTuple):
    """The pairs of a tile.

    Attributes:
        left, right: int (pairs,), positions of products; left comes before right.
        ratio: for each view float32 (pairs,), distance over threshold: up to 1 is a variant. NaN
            where the view has not seen both products.
    """

    left: np.ndarray
    right: np.ndarray
    ratio: tuple[np.ndarray, ...]


def scan_pairs(block: np.ndarray, views: tuple[View, ...]) -> Iterator[Pairs]:
    """Yields each pair of products of one block once.

    Args:
        block: int (products,), from 0; −1 for products that are left out.
        views: of all products.
    """
    order = np.argsort(block, kind="stable")
    order = order[np.searchsorted(block[order], 0) :]
    for members in np.split(order, np.flatnonzero(np.diff(block[order])) + 1):
        if len(members) > 1:
            yield from _tiles(members, views)


def _tiles(members: np.ndarray, views: tuple[View, ...]) -> Iterator[Pairs]:
    relative = [view.relative(members) for view in views]
    for top in range(0, len(members), TILE):
        rows = slice(top, top + TILE)
        for start in range(top, len(members), TILE):
            columns = slice(start, start + TILE)
            shape = len(members[rows]), len(members[columns])
            chosen = np.triu(np.ones(shape, bool), 1) if start == top else np.ones(shape, bool)
            row, column = np.nonzero(chosen)
            left, right = members[rows][row], members[columns][column]
            ratio = []
            for view, own in zip(views, relative, strict=True):
                found = (1 - own[rows] @ own[columns].T)[chosen] / np.float32(view.threshold)
                found[~(view.seen[left] & view.seen[right])] = np.nan
                ratio.append(found)
            yield Pairs(left, right, tuple(ratio))
