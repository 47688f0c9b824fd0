"""Hierarchical clustering of one block: the whole merge history, so that any threshold is one cut."""

from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

NEIGHBOURS = 3  # a product links to its nearest ones only: few enough to part designs, and longer chains still form
FAR = 1e6  # the distance of products that may not link, beyond every threshold
TIE = 1e-6  # distances that differ by less are equal: the same two pictures' float32 products do


class Dendrogram:
    """A dendrogram.

    Args:
        distance: float64 (products, products), symmetric, zero on the diagonal.
        method: what the distance of two groups is: the mean, the largest or the smallest of their
            pairs.

    Attributes:
        heights: float (merges,), the distances at which groups merge.
    """

    def __init__(
        self, distance: np.ndarray, method: Literal["average", "complete", "single"]
    ) -> None:
        self.merges = (
            linkage(squareform(distance, checks=False), method=method)
            if len(distance) > 1
            else None
        )
        self.heights = np.zeros(0) if self.merges is None else self.merges[:, 2]

    def cut(self, threshold: float) -> np.ndarray:
        """Groups that merge at `threshold` or below: int (products,), from 1."""
        if self.merges is None:
            return np.ones(1, int)
        return np.asarray(fcluster(self.merges, threshold, criterion="distance"))


def average(distance: np.ndarray) -> Dendrogram:
    """Average linkage (UPGMA; Sokal and Michener 1958): groups merge if their pairs are near on average."""
    return Dendrogram(distance, "average")


def complete(distance: np.ndarray) -> Dendrogram:
    """Complete linkage (Sørensen 1948): every two products of a group are within the threshold."""
    return Dendrogram(distance, "complete")


def mutual(distance: np.ndarray) -> Dendrogram:
    """Connected components of mutual neighbours: each among the other's `NEIGHBOURS` nearest, and within the threshold.

    Mutual k-nearest-neighbour graph: Brito et al. 1997, "Connectivity of the mutual
    k-nearest-neighbor graph in clustering and outlier detection". Single linkage over the links
    alone gives its components at every threshold. Products that tie with the last neighbour all
    count, so that the order of products decides nothing; but which ones are nearest depends on what
    else is in the table.
    """
    last = min(NEIGHBOURS, len(distance) - 1)  # the product itself comes first
    reach = np.partition(distance, last, axis=1)[:, last] + TIE
    near = distance <= reach[:, None]
    return Dendrogram(np.where(near & near.T, distance, FAR), "single")
