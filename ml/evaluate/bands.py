"""Three bands of products: groups to publish, groups to review, and products to leave alone."""

from typing import NamedTuple

import numpy as np

from ml.evaluate.base_rate import BlockSimilarities
from ml.grouping.calibration import Calibration
from ml.grouping.product_scores import product_scores


class Publish(NamedTuple):
    """Which groups are good enough to be published without a look.

    Attributes:
        score: least score of a group; None: none is, and all are to be reviewed.
        precision: expected precision of the pairs of published groups; None if there are none.
        recall: expected share of the pairs of variants that are in published groups.
        groups, of: number of published groups, and of all.
    """

    score: float | None
    precision: float | None
    recall: float
    groups: int
    of: int


def group_scores(
    embeddings: np.ndarray, block: np.ndarray, group: np.ndarray, calibration: Calibration
) -> tuple[np.ndarray, np.ndarray]:
    """Averages `ml.grouping.product_scores.product_scores` over each group.

    Args:
        embeddings: float (products, size), each of length 1.
        block: int (products,), from 0; of whole blocks.
        group: int (products,), from 0; no group is in two blocks.
        calibration: of similarity.

    Returns:
        The mean probability of each group's pairs: float (groups,), NaN for a product alone; and
        the number of its pairs: int (groups,).
    """
    size, score = np.bincount(group), product_scores(embeddings, block, group, calibration)
    return np.bincount(group, score) / np.maximum(size, 1), size * (size - 1) // 2


def choose_publish(
    score: np.ndarray,
    pairs: np.ndarray,
    precision: float,
    calibration: Calibration,
    catalogue: BlockSimilarities,
) -> Publish:
    """Chooses the least score at which the published groups have the wanted precision.

    Args:
        score, pairs: of the groups of a catalogue that the model was not trained on, as
            `group_scores` returns them.
        precision: the wanted mean score of the published groups.
        calibration: of similarity.
        catalogue: all pairs of the blocks of this catalogue.
    """
    several = pairs > 0
    score, pairs = score[several], pairs[several]
    order = np.argsort(-score, kind="stable")
    mean = np.cumsum(score[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(mean >= precision)
    if not len(enough):
        return Publish(None, None, 0.0, 0, len(order))
    chosen = order[: enough[-1] + 1]
    found = float((score[chosen] * pairs[chosen]).sum())
    there = calibration.probability(catalogue.similarity, catalogue.products) * catalogue.pairs
    return Publish(
        float(score[chosen[-1]]),
        float(mean[enough[-1]]),
        min(1.0, found / float(there.sum())),
        len(chosen),
        len(order),
    )


def published(group: np.ndarray, score: np.ndarray, least: float | None) -> np.ndarray:
    """Dissolves the groups that are not published.

    Args:
        group: int (products,), from 0.
        score: float (groups,), NaN for a product alone.
        least: score of a published group; None: no group is published.

    Returns:
        int (products,), numbers with gaps: products of other groups are each alone.
    """
    kept = np.zeros(len(score), bool) if least is None else score >= least
    return np.where(kept[group], group, len(score) + np.arange(len(group)))
