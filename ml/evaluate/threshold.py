"""The choice of a threshold by the ARI of annotated products."""

from typing import Literal

import numpy as np

from ml.evaluate.metrics import Confusion, adjusted_rand
from ml.grouping.grouping import Grouping

PLATEAU = 0.01  # in ARI: thresholds that are this near to the best count as equally good

Choice = Literal["best", "plateau", "resampled"]


def ari_by_threshold(grouping: Grouping, design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Computes ARI at each of the grouping's thresholds: float (thresholds, resamples).

    Args:
        grouping: of the annotated products.
        design: int (products,), the design of each product.
        weight: float (resamples, designs), see `ml.evaluate.bootstrap.resample`.
    """
    return np.stack(
        [
            adjusted_rand(Confusion(design, grouping.cut(value), weight))
            for value in grouping.thresholds()
        ]
    )


def pick_threshold(thresholds: np.ndarray, ari: np.ndarray, choice: Choice = "best") -> float:
    """Picks one threshold by its ARI.

    Args:
        thresholds: float (thresholds,), increasing, each 1 − cosine.
        ari: float (thresholds, resamples), the sample itself first.
        choice: "best" picks the threshold with the highest ARI of the sample. The ARI of few
            designs has chance peaks, which the other choices follow less: "plateau" picks the
            middle of the thresholds around the best one whose ARI stays within `PLATEAU` of it,
            "resampled" the threshold with the highest mean ARI over the resamples.
    """
    if choice == "resampled":
        return float(thresholds[int(np.argmax(ari.mean(axis=1)))])
    best = int(np.argmax(ari[:, 0]))
    if choice == "best":
        return float(thresholds[best])
    worse = np.flatnonzero(ari[:, 0] < ari[best, 0] - PLATEAU)
    first = max(worse[worse < best], default=-1) + 1
    last = min(worse[worse > best], default=len(thresholds)) - 1
    return float((thresholds[first] + thresholds[last]) / 2)
