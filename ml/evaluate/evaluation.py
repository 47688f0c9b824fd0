"""Every metric of one set of embeddings on the annotations of one split, for all resamples."""

from collections.abc import Callable
from functools import cached_property
from typing import Literal

import numpy as np
from sklearn.metrics import precision_recall_curve

from ml.data.annotations import PairSet
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.metric_words import METRICS, Interval
from ml.evaluate.metrics import (
    Confusion,
    Rankings,
    adjusted_rand,
    average_precision,
    fowlkes_mallows,
    group_accuracy,
    mean_average_precision,
    normalized_mutual_information,
    recall_at_1,
    roc_auc,
    tpr_at_fpr,
)
from ml.evaluate.threshold import ari_by_threshold, pick_threshold
from ml.grouping.calibration import Calibration, expected_calibration_error, fit_calibration
from ml.grouping.grouping import ClusteringName, Grouping

# From label, score and weight to a value for each resample, see `ml.evaluate.metrics`.
PairMetric = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

PAIR_METRICS: dict[str, tuple[Literal["block", "hard"], PairMetric]] = {
    "block_ap": ("block", average_precision),
    "block_auc": ("block", roc_auc),
    "hard_ap": ("hard", average_precision),
    "hard_auc": ("hard", roc_auc),
    "tpr_at_1_fpr": ("block", tpr_at_fpr),
}
GROUP_METRICS = ("ari", "fms", "nmi", "cgacc", "cg_precision")  # in the order of `group_metrics`


class Evaluation:
    """Measures the embeddings of a split's annotated products; it computes nothing twice.

    Args:
        embeddings: float (annotated products, size), each of length 1, in the order of
            `resamples.annotations.indices`.
        resamples: of these products; evaluations that share one object are paired.
        clustering: how products become groups, see `ml.grouping.grouping`.
    """

    def __init__(
        self,
        embeddings: np.ndarray,
        resamples: Resamples,
        clustering: ClusteringName = "average",
    ) -> None:
        self.embeddings, self.resamples, self.clustering = embeddings, resamples, clustering
        self.annotations = resamples.annotations
        self._groups: dict[float, np.ndarray] = {}
        self._pair_draws: dict[str, np.ndarray] = {}
        self._group_draws: dict[float, dict[str, np.ndarray]] = {}

    @cached_property
    def block_similarity(self) -> np.ndarray:
        """Cosine similarity of each block pair: float (block pairs,)."""
        return similarities(self.embeddings, self.annotations.block_pairs)

    @cached_property
    def hard_similarity(self) -> np.ndarray:
        """Cosine similarity of each annotated pair: float (hard pairs,)."""
        return similarities(self.embeddings, self.annotations.hard)

    @cached_property
    def grouping(self) -> Grouping:
        """The clusterings of all blocks."""
        return Grouping(self.embeddings, self.annotations.block, self.clustering)

    @cached_property
    def best_threshold(self) -> float:
        """The threshold (1 − cosine) in the middle of the plateau of the best ARI.

        It is the best one for the split of this evaluation: choose it on dev, use it on test.
        """
        everything = self.resamples.weight[:1]
        ari = ari_by_threshold(self.grouping, self.annotations.design, everything)
        return pick_threshold(self.grouping.thresholds(), ari, "plateau")

    @cached_property
    def calibration(self) -> Calibration:
        """The calibration of cosine similarity to the probability of variants, on block pairs."""
        return fit_calibration(self.block_similarity, self.annotations.block_pairs.label)

    def groups(self, threshold: float) -> np.ndarray:
        """Cuts the groups at a threshold (1 − cosine): int (annotated products,)."""
        if threshold not in self._groups:
            self._groups[threshold] = self.grouping.cut(threshold)
        return self._groups[threshold]

    def draws(self, name: str, threshold: float) -> np.ndarray:
        """Computes a metric of `METRICS` for each resample.

        Args:
            name: of the metric.
            threshold: 1 − cosine; metrics of pairs do not depend on it.

        Returns:
            float (1 + resamples,), the value of the sample itself first.
        """
        if name in GROUP_METRICS:
            return self.group_draws(threshold)[name]
        if name not in self._pair_draws:
            self._pair_draws[name] = self._computed_draws(name)
        return self._pair_draws[name]

    def group_draws(self, threshold: float) -> dict[str, np.ndarray]:
        """Computes `group_metrics` for each resample: name → float (1 + resamples,)."""
        if threshold not in self._group_draws:
            design, group = self.annotations.design, self.groups(threshold)

            def stacked(weight: np.ndarray) -> np.ndarray:
                return np.stack([*group_metrics(design, group, weight).values()])

            found = self.resamples.over_designs(stacked)
            self._group_draws[threshold] = dict(zip(GROUP_METRICS, found, strict=True))
        return self._group_draws[threshold]

    def _computed_draws(self, name: str) -> np.ndarray:
        if name == "recall_at_1":
            asked, found = self.nearest_is_variant
            design = self.annotations.design[asked]
            return self.resamples.over_designs(lambda weight: recall_at_1(found, weight[:, design]))
        if name == "mean_ap":
            pairs, design = self.annotations.block_pairs, self.annotations.design
            rankings = Rankings(pairs.left, pairs.right, pairs.label, self.block_similarity, design)
            return self.resamples.over_designs(
                lambda weight: mean_average_precision(rankings, weight)
            )
        kind, metric = PAIR_METRICS[name]
        block = kind == "block"
        pairs = self.annotations.block_pairs if block else self.annotations.hard
        similarity = self.block_similarity if block else self.hard_similarity
        return self.resamples.over_pairs(
            lambda weights: metric(pairs.label, similarity, weights), pairs
        )

    def metrics(self, threshold: float) -> dict[str, Interval]:
        """Computes every metric of `METRICS` with its 95 % interval.

        Args:
            threshold: 1 − cosine.
        """
        return {name: interval(self.draws(name, threshold)) for name in METRICS}

    def over_part(self, metric: PairMetric, chosen: np.ndarray) -> np.ndarray:
        """Computes a metric of some of the block pairs for each resample: float (1 + resamples,).

        Args:
            metric: from label, similarity and weights to a value for each resample.
            chosen: bool (block pairs,), which of the block pairs count.
        """
        whole, similarity = self.annotations.block_pairs, self.block_similarity[chosen]
        part = PairSet(whole.left[chosen], whole.right[chosen], whole.label[chosen])
        return self.resamples.over_pairs(
            lambda weights: metric(part.label, similarity, weights), part
        )

    def calibration_error(self, calibration: Calibration) -> Interval:
        """Computes the expected calibration error over block pairs, with its interval."""
        pairs = self.annotations.block_pairs
        probability = calibration.probability(self.block_similarity)
        return interval(
            self.resamples.over_pairs(
                lambda weights: expected_calibration_error(probability, pairs.label, weights), pairs
            )
        )

    def precision_recall(self) -> tuple[np.ndarray, np.ndarray]:
        """Computes precision and recall of block pairs at each similarity: float (points,) each."""
        label = self.annotations.block_pairs.label
        precision, recall, _ = precision_recall_curve(label, self.block_similarity)
        return precision, recall

    @cached_property
    def nearest_is_variant(self) -> tuple[np.ndarray, np.ndarray]:
        """The products with a variant in their block, and whether a variant is the nearest one.

        A tie between a variant and a product of another design counts as not found.

        Returns:
            int (products with a variant,), positions among the annotated products, and bool
            (products with a variant,).
        """
        pairs = self.annotations.block_pairs
        best = {label: np.full(len(self.embeddings), -np.inf) for label in (True, False)}
        for label, highest in best.items():
            chosen = pairs.label == label
            for ends in (pairs.left, pairs.right):
                np.maximum.at(highest, ends[chosen], self.block_similarity[chosen])
        asked = np.flatnonzero(best[True] > -np.inf)
        return asked, best[True][asked] > best[False][asked]


def similarities(embeddings: np.ndarray, pairs: PairSet) -> np.ndarray:
    """Computes the cosine similarity of each pair: float (pairs,).

    Args:
        embeddings: float (annotated products, size), each of length 1.
        pairs: positions in `embeddings`.
    """
    return np.asarray(np.einsum("nd,nd->n", embeddings[pairs.left], embeddings[pairs.right]))


def group_metrics(
    design: np.ndarray, group: np.ndarray, weight: np.ndarray
) -> dict[str, np.ndarray]:
    """Computes the metrics of groups: name → float (resamples,).

    Args:
        design, group: int (products,), annotated and found.
        weight: float (resamples, designs), see `ml.evaluate.bootstrap.resample`.
    """
    pairs = Confusion(design, group, weight)
    accuracy, precision = group_accuracy(design, group, weight)
    return {
        "ari": adjusted_rand(pairs),
        "fms": fowlkes_mallows(pairs),
        "nmi": normalized_mutual_information(design, group, weight),
        "cgacc": accuracy,
        "cg_precision": precision,
    }
