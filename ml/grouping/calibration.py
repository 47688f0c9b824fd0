"""Calibration: the probability that two products of one block are colour variants, by similarity.

A cosine of 0.6 means nothing to a reader; "three times in four this is right" does. The method is
Platt scaling (Platt 1999, "Probabilistic outputs for support vector machines"), fitted on the block
pairs of the dev split and corrected for the base rate of the catalogue, see
`ml.evaluate.base_rate`. The reliability diagram and the expected calibration error are those of Guo
et al., arXiv 1706.04599, section 2, with ten bins of equal width.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

BINS = 10
HIGHEST_RATE = 0.5  # of pairs: two products alone in a block need not be variants


class Calibration(NamedTuple):
    """The calibration: log-odds = slope · cosine + intercept, among the annotated pairs.

    Attributes:
        annotated: share of variants among these pairs.
        variants: number of variants that a product of a catalogue has in its block, on average.
    """

    slope: float
    intercept: float
    annotated: float
    variants: float = 1.0

    def probability(
        self, similarity: np.ndarray, products: np.ndarray | int | None = None
    ) -> np.ndarray:
        """Maps cosine similarities of any shape to probabilities of being variants, in 0 … 1.

        Args:
            similarity: float, of any shape.
            products: number of products of the block of each pair, whose pairs have a base rate of
                variants / (products − 1); None: the pairs were annotated like those of the fit.
        """
        log_odds = self.slope * similarity + self.intercept
        if products is not None:
            rate = np.minimum(self.variants / np.maximum(np.subtract(products, 1), 1), HIGHEST_RATE)
            log_odds = log_odds + logit(rate) - logit(self.annotated)
        return np.asarray(expit(log_odds))


def fit_calibration(similarity: np.ndarray, label: np.ndarray) -> Calibration:
    """Fits slope and intercept by maximum likelihood.

    Args:
        similarity: float (pairs,), cosines.
        label: bool (pairs,), true for variants; both values must occur.
    """
    model = LogisticRegression(C=np.inf, max_iter=1000).fit(similarity[:, None], label)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    return Calibration(slope, intercept, annotated=float(label.mean()))


def expected_calibration_error(
    probability: np.ndarray, label: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Averages |foreseen − found| over the bins, weighted by their pairs (equation 3).

    Args:
        probability: float (pairs,).
        label: bool (pairs,), true for variants.
        weights: float (resamples, pairs), see `ml.evaluate.bootstrap.pair_weights`.

    Returns:
        float (resamples,), 0 at best.
    """
    bins = _bins(probability)
    gap = bins * (probability - label)[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.abs(weights @ gap).sum(axis=1) / weights.sum(axis=1))


def reliability(probability: np.ndarray, label: np.ndarray) -> pd.DataFrame:
    """Computes the reliability diagram.

    Args:
        probability: float (pairs,).
        label: bool (pairs,), true for variants.

    Returns:
        One row for each bin that holds pairs: foreseen and found (shares of variants), and pairs.
    """
    bins = _bins(probability)
    pairs = bins.sum(axis=0)
    full = pairs > 0
    foreseen, found = (bins.T @ values for values in (probability, label.astype(float)))
    return pd.DataFrame(
        {
            "foreseen": foreseen[full] / pairs[full],
            "found": found[full] / pairs[full],
            "pairs": pairs[full].astype(int),
        }
    )


def _bins(probability: np.ndarray) -> np.ndarray:
    place = np.minimum((probability * BINS).astype(int), BINS - 1)
    return np.asarray(place[:, None] == np.arange(BINS), dtype=float)
