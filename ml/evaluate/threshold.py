"""The threshold of a grouping is chosen by the ARI of annotated products of the dev split."""

from typing import Literal

import numpy as np

from ml.data.annotations import Annotations
from ml.evaluate.metrics import Confusion, adjusted_rand
from ml.grouping.grouping import ClusteringName, Grouping

PLATEAU = 0.01  # of ARI: thresholds that are this near to the best are as good

Choice = Literal["best", "plateau", "resampled"]


def choose_threshold(
    embeddings: np.ndarray, annotations: Annotations, clustering: ClusteringName = "average"
) -> float:
    """A threshold by the ARI of annotated products (of the dev split): the middle of the plateau around the best.

    Args:
        embeddings: float (annotated products, size), in the order of `annotations.indices`.
    """
    grouping = Grouping(embeddings, annotations.block, clustering)
    figures = ari_by_threshold(
        grouping, annotations.design, np.ones((1, int(annotations.design.max()) + 1))
    )
    return pick_threshold(grouping.thresholds(), figures, "plateau")


def ari_by_threshold(grouping: Grouping, design: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """ARI at each of the grouping's thresholds: float (thresholds, resamples).

    Args:
        design: int (products,); weight: float (resamples, designs), see
            `ml.evaluate.bootstrap.resample`.
    """
    return np.stack(
        [
            adjusted_rand(Confusion(design, grouping.cut(value), weight))
            for value in grouping.thresholds()
        ]
    )


def pick_threshold(thresholds: np.ndarray, ari: np.ndarray, choice: Choice = "best") -> float:
    """One threshold by its ARI.

    Args:
        thresholds: float (thresholds,), increasing; ari: float (thresholds, resamples), the sample
            itself first.
        choice: "best" is the sample's best. The ARI of few designs has chance peaks, which lead the
            others less: "plateau" is the middle of the thresholds around the best that stay within
            `PLATEAU` of it, "resampled" has the best mean over the resamples.
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
