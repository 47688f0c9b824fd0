"""Grouping: average-linkage clustering within blocks, cut at one threshold."""

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from ml.metrics import Confusion, adjusted_rand
from ml.truth import Truth

CANDIDATES = 400  # thresholds tried, at most


class Dendrogram:
    """The whole merge history of each block, so that any threshold is one cut.

    Args:
        embeddings: float (products, size), rows of length 1; distance is 1 − cosine.
        block: int (products,); products of different blocks are never grouped.
    """

    def __init__(self, embeddings: np.ndarray, block: np.ndarray) -> None:
        self.count = len(block)
        self.blocks: list[tuple[np.ndarray, np.ndarray | None]] = []
        for value in np.unique(block):
            members = np.flatnonzero(block == value)
            merges = None
            if len(members) > 1:
                distance = np.clip(1 - embeddings[members] @ embeddings[members].T, 0, 2).astype(np.float64)
                np.fill_diagonal(distance, 0)
                merges = linkage(squareform((distance + distance.T) / 2, checks=False), method="average")
            self.blocks.append((members, merges))

    def cut(self, threshold: float) -> np.ndarray:
        """Groups whose average distance is at most `threshold`: int (products,), numbered from 0 by first member."""
        group = np.zeros(self.count, dtype=int)
        used = 0
        for members, merges in self.blocks:
            labels = np.ones(1, int) if merges is None else fcluster(merges, threshold, criterion="distance")
            group[members] = labels + used
            used += int(labels.max())
        _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[inverse]

    def thresholds(self) -> np.ndarray:
        """Thresholds worth trying, increasing: half way between successive merges, thinned out to `CANDIDATES`."""
        heights = np.unique(np.concatenate([[0.0], *(merges[:, 2] for _, merges in self.blocks if merges is not None)]))
        middles = (heights[:-1] + heights[1:]) / 2 if len(heights) > 1 else heights
        if len(middles) > CANDIDATES:
            middles = middles[np.linspace(0, len(middles) - 1, CANDIDATES).round().astype(int)]
        return np.asarray(middles)


def choose_threshold(embeddings: np.ndarray, truth: Truth) -> float:
    """The threshold with the best ARI on annotated products (of the dev split); the lower, more careful one of equals.

    Args:
        embeddings: float (annotated products, size), in the order of `truth.rows`.
    """
    tree = Dendrogram(embeddings, truth.block)
    weight = np.ones((1, int(truth.design.max()) + 1))
    thresholds = tree.thresholds()
    figures = [adjusted_rand(Confusion(truth.design, tree.cut(value), weight))[0] for value in thresholds]
    return float(thresholds[int(np.argmax(figures))])
