"""Groups products: they are clustered within blocks and cut at one threshold (1 − cosine)."""

from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np

from ml.grouping.correlation import CorrelationClustering
from ml.grouping.hierarchical import average, complete, mutual

CANDIDATES = 400  # thresholds to try, at most

ClusteringName = Literal["average", "complete", "mutual", "correlation"]


class Clustering(Protocol):
    """A clustering of one block, made from the distances of its products."""

    heights: np.ndarray  # float (any,): distances between which the groups can change

    def cut(self, threshold: float) -> np.ndarray:
        """Returns the groups at a threshold: int (products,), any numbers."""


CLUSTERINGS: dict[ClusteringName, Callable[[np.ndarray], Clustering]] = {
    "average": average,
    "complete": complete,
    "mutual": mutual,
    "correlation": CorrelationClustering,
}


class Grouping:
    """Clusters the products of a table block by block; each threshold is then one cut.

    Args:
        embeddings: float (products, size), each of length 1; the distance is 1 − cosine.
        block: int (products,); products of different blocks are never grouped.
        clustering: the param `evaluate.grouping`, which a model keeps as "method" in grouping.json.
    """

    def __init__(
        self, embeddings: np.ndarray, block: np.ndarray, clustering: ClusteringName = "average"
    ) -> None:
        self.count = len(block)
        self.blocks: list[tuple[np.ndarray, Clustering]] = []
        for value in np.unique(block):
            members = np.flatnonzero(block == value)
            self.blocks.append((members, CLUSTERINGS[clustering](distances(embeddings, members))))

    def cut(self, threshold: float) -> np.ndarray:
        """Returns the groups at a threshold: int (products,), numbered from 0 by first member."""
        group = np.zeros(self.count, dtype=int)
        used = 0
        for members, clustering in self.blocks:
            labels = clustering.cut(threshold)
            group[members] = labels + used
            used += int(labels.max()) + 1
        _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[inverse]

    def thresholds(self) -> np.ndarray:
        """Returns the thresholds to try: float (any,), increasing.

        They lie half way between successive heights; `CANDIDATES` of them are kept at most.
        """
        heights = np.concatenate([[0.0], *(clustering.heights for _, clustering in self.blocks)])
        heights = np.unique(np.minimum(heights, 2))
        middles = (heights[:-1] + heights[1:]) / 2 if len(heights) > 1 else heights
        if len(middles) > CANDIDATES:
            middles = middles[np.linspace(0, len(middles) - 1, CANDIDATES).round().astype(int)]
        return np.asarray(middles)


def distances(embeddings: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Returns cosine distances of the members: float64 (members, members), symmetric, 0 … 2."""
    # There are two copies on purpose: for one array with itself numpy calls another product of
    # BLAS, whose last bits differ.
    distance = np.clip(1 - embeddings[members] @ embeddings[members].T, 0, 2).astype(np.float64)
    np.fill_diagonal(distance, 0)
    return np.asarray((distance + distance.T) / 2)
