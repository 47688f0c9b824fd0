"""Correlation clustering of one block: every pair has a weight for or against being together."""

import numpy as np

from ml.grouping.hierarchical import average


class CorrelationClustering:
    """A grouping that (nearly) maximises the sum of log(p / (1 − p)) over all pairs within groups.

    Correlation clustering: Bansal, Blum and Chawla 2004. With the p of `ml.grouping.calibration`,
    log(p / (1 − p)) = slope · cosine + intercept = slope · (threshold − distance), if the threshold
    is the distance at which p = 1/2. A slope above 0 changes neither the optimum nor any step
    towards it. The weight is therefore threshold − distance, without a calibration. Another
    threshold shifts the log-odds so that p = 1/2 lies there.

    Args:
        distance: float64 (products, products), symmetric.

    Attributes:
        heights: float (merges,), the heights of average linkage. The thresholds to try lie between
            them, since both clusterings join two groups only while the mean distance of their pairs
            is within the threshold. Average linkage joins the nearest two groups first, correlation
            clustering the two with the largest sum of weights.
    """

    def __init__(self, distance: np.ndarray) -> None:
        self.distance = distance
        self.heights = average(distance).heights

    def cut(self, threshold: float) -> np.ndarray:
        """Returns the groups at a threshold: int (products,), numbers with gaps."""
        return contract_greedily(threshold - self.distance)


def contract_greedily(weight: np.ndarray) -> np.ndarray:
    """Groups by greedy additive edge contraction (GAEC; Keuper et al. 2015, algorithm 1).

    It joins the two groups with the largest sum of weights between them until every such sum is
    negative (arXiv 1505.06973). The sum within groups starts at 0 and never falls. Of equal sums it
    takes the first in the order of products.

    Args:
        weight: float (products, products), symmetric; weights above 0 favour being together. The
            diagonal is not used.

    Returns:
        int (products,): each product's group, which has the number of its first product.
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
