"""The score of a product: how likely it is a variant of another member of its group."""

import numpy as np

from ml.grouping.calibration import Calibration


def product_scores(
    embeddings: np.ndarray, block: np.ndarray, group: np.ndarray, calibration: Calibration
) -> np.ndarray:
    """Averages the probability of being variants over the other members of each product's group.

    Args:
        embeddings: float (products, size), each of length 1.
        block: int (products,), from 0; of whole blocks.
        group: int (products,), from 0; no group is in two blocks.
        calibration: of similarity.

    Returns:
        float (products,), NaN for a product alone.
    """
    score, products = np.full(len(group), np.nan), np.bincount(block)[block]
    order, ends = np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))
    for members in np.split(order, ends[:-1]):
        if len(members) > 1:
            cosine = embeddings[members] @ embeddings[members].T
            probability = calibration.probability(cosine, products[members[0]])
            score[members] = (probability.sum(axis=1) - probability.diagonal()) / (len(members) - 1)
    return score
