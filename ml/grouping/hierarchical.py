"""Hierarchical clustering of one block: it keeps all merges, so that each threshold is one cut."""

from typing import Literal

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

# A product links to this many nearest ones: few enough to part designs, and chains still form.
NEIGHBOURS = 3
FAR = 1e6  # the distance of products that may not link, beyond every threshold
TIE = 1e-6  # smaller differences are ties: float32 products of the same two pictures differ so


class Dendrogram:
    """A dendrogram.

    Args:
        distance: float64 (products, products), symmetric, zero on the diagonal.
        method: the linkage: the distance of two groups is the mean ("average"), the largest
            ("complete") or the smallest ("single") distance of their pairs.

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
        """Returns the groups that merge at `threshold` or below: int (products,), from 1."""
        if self.merges is None:
            return np.ones(1, int)
        return np.asarray(fcluster(self.merges, threshold, criterion="distance"))


def average(distance: np.ndarray) -> Dendrogram:
    """Average linkage (UPGMA; Sokal and Michener 1958): groups with a small mean distance merge."""
    return Dendrogram(distance, "average")


def complete(distance: np.ndarray) -> Dendrogram:
    """Complete linkage (Sørensen 1948): all pairs of a group are within the threshold."""
    return Dendrogram(distance, "complete")


def mutual(distance: np.ndarray) -> Dendrogram:
    """Connected components of the mutual k-nearest-neighbour graph, within the threshold.

    Two products are linked if each is among the other's `NEIGHBOURS` nearest (Brito et al. 1997,
    "Connectivity of the mutual k-nearest-neighbor graph in clustering and outlier detection").
    Single linkage over the links alone gives the components at every threshold. All products that
    tie with the last neighbour count, so that the order of products does not matter. However, the
    nearest products depend on what else is in the table.
    """
    last = min(NEIGHBOURS, len(distance) - 1)  # the product itself is the first
    reach = np.partition(distance, last, axis=1)[:, last] + TIE
    near = distance <= reach[:, None]
    return Dendrogram(np.where(near & near.T, distance, FAR), "single")
