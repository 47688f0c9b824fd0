"""Correlation clustering of one block: every pair votes for or against being together."""

import numpy as np

from ml.grouping.hierarchical import average


class CorrelationClustering:
    """The grouping that (nearly) maximises the sum of log(p / (1 − p)) over all pairs within groups.

    Correlation clustering: Bansal, Blum and Chawla 2004. With p from `ml.grouping.calibration`,
        log(p / (1 − p)) is slope · cosine
    + intercept, which is slope · (threshold − distance) if the threshold is the distance where p =
    1/2. A slope above 0 changes neither the optimum nor any step to it, so threshold − distance is
    the weight and no calibration is needed. Another threshold shifts the log-odds so that p = 1/2
    lies there.

    Args:
        distance: float64 (products, products), symmetric.

    Attributes:
        heights: float (merges,), those of average linkage, as distances between which thresholds
            are worth trying. Both join two groups only while their pairs' mean distance is within
            the threshold; average linkage joins the nearest two first, this the two with the
            largest sum of weights.
    """

    def __init__(self, distance: np.ndarray) -> None:
        self.distance = distance
        self.heights = average(distance).heights

    def cut(self, threshold: float) -> np.ndarray:
        """Groups at a threshold: int (products,), numbers with gaps."""
        return contract_greedily(threshold - self.distance)


def contract_greedily(weight: np.ndarray) -> np.ndarray:
    """Greedy additive edge contraction (GAEC; Keuper et al. 2015, arXiv 1505.06973, algorithm 1).

    Joins the two groups with the largest sum of weights between them until every such sum is
    negative. The sum within groups never falls, and starts at 0. Of equal sums the first in order
    of products is taken.

    Args:
        weight: float (products, products), symmetric; above 0 speaks for being together. The
            diagonal does not matter.

    Returns:
        int (products,): each product's group, named after its first product.
    """
    between, group = weight.astype(np.float64), np.arange(len(weight))
    np.fill_diagonal(between, -np.inf)
    while True:
        kept, gone = divmod(int(between.argmax()), len(group))
        if between[kept, gone] < 0:
            return group
        between[kept] += between[gone]
        between[:, kept] = between[kept]
        between[gone] = between[:, gone] = -np.inf
        group[group == gone] = kept
