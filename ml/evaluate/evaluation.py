"""All figures of one set of embeddings against the truth, with every bootstrap resample kept."""

from collections.abc import Callable

import numpy as np

from ml.data.annotations import Annotations, PairSet
from ml.evaluate.bootstrap import interval, pair_weights
from ml.evaluate.metrics import (
    Confusion,
    adjusted_rand,
    average_precision,
    fowlkes_mallows,
    group_accuracy,
    normalized_mutual_information,
    recall_at_1,
    roc_auc,
    tpr_at_fpr,
)
from ml.grouping.grouping import ClusteringName, Grouping

FIGURES = {
    "block_ap": "average precision over block pairs",
    "block_auc": "ROC AUC over block pairs",
    "hard_ap": "average precision over annotated pairs",
    "hard_auc": "ROC AUC over annotated pairs",
    "recall_at_1": "most similar product of the block is a variant",
    "tpr_at_1_fpr": "variants found at 1 % false positives (block pairs)",
    "ari": "adjusted Rand index of the groups",
    "fms": "Fowlkes-Mallows score of the groups",
    "nmi": "normalised mutual information (near 1 for any fine grouping)",
    "cgacc": "designs recovered exactly",
    "cg_precision": "groups that are exactly a design",
}
CHUNK = 20_000_000  # weights held at once, so that memory stays bounded on large shops


def similarities(embeddings: np.ndarray, pairs: PairSet) -> np.ndarray:
    """Cosine similarity of each pair: float (pairs,); embeddings: float (annotated products, size), rows of length 1."""
    return np.asarray(np.einsum("nd,nd->n", embeddings[pairs.left], embeddings[pairs.right]))


def resampled_figures(
    embeddings: np.ndarray,
    annotations: Annotations,
    threshold: float,
    weight: np.ndarray,
    clustering: ClusteringName = "average",
) -> dict[str, np.ndarray]:
    """Every figure of `FIGURES`, for each resample.

    Args:
        embeddings: float (annotated products, size), in the order of `annotations.indices`.
        threshold, clustering: how products are grouped, see `ml.grouping.grouping.Grouping`.
        weight: float (resamples, designs), see `ml.evaluate.bootstrap.resample`.

    Returns:
        float (resamples,) for each name; two calls with equal weights are paired, resample by
        resample.
    """
    group = Grouping(embeddings, annotations.block, clustering).cut(threshold)
    step = _resamples_at_once(annotations.block_pairs)
    parts = [
        _figures(embeddings, annotations, group, weight[start : start + step])
        for start in range(0, len(weight), step)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in FIGURES}


def over_resamples(
    figure: Callable[[np.ndarray], np.ndarray],
    pairs: PairSet,
    design: np.ndarray,
    weight: np.ndarray,
) -> np.ndarray:
    """One figure of pairs for each resample, chunk by chunk: float (resamples,).

    Args:
        figure: from weights, float (some resamples, pairs), to float (some resamples,).
        design: int (annotated products,); weight: float (resamples, designs).
    """
    ends, step = (design[pairs.left], design[pairs.right]), _resamples_at_once(pairs)
    return np.concatenate(
        [
            figure(pair_weights(weight[start : start + step], *ends))
            for start in range(0, len(weight), step)
        ]
    )


def with_intervals(figures: dict[str, np.ndarray]) -> dict[str, dict[str, float | None]]:
    """Value, low and high of each figure; the first resample is the sample itself."""
    return {name: interval(values) for name, values in figures.items()}


def _resamples_at_once(pairs: PairSet) -> int:
    return max(1, CHUNK // max(len(pairs), 1))


def _figures(
    embeddings: np.ndarray, annotations: Annotations, group: np.ndarray, weight: np.ndarray
) -> dict[str, np.ndarray]:
    design = annotations.design
    figures: dict[str, np.ndarray] = {}
    for name, pairs in (("block", annotations.block_pairs), ("hard", annotations.hard)):
        score = similarities(embeddings, pairs)
        weights = pair_weights(weight, design[pairs.left], design[pairs.right])
        figures[f"{name}_ap"] = average_precision(pairs.label, score, weights)
        figures[f"{name}_auc"] = roc_auc(pairs.label, score, weights)
        if name == "block":
            figures["tpr_at_1_fpr"] = tpr_at_fpr(pairs.label, score, weights)
    asked, found = nearest_is_variant(embeddings, annotations)
    figures["recall_at_1"] = recall_at_1(found, weight[:, design[asked]])
    return figures | group_figures(design, group, weight)


def group_figures(
    design: np.ndarray, group: np.ndarray, weight: np.ndarray
) -> dict[str, np.ndarray]:
    """The figures of `FIGURES` that are about groups: float (resamples,) for each name.

    Args:
        design, group: int (products,), true and found; weight: float (resamples, designs).
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


def nearest_is_variant(
    embeddings: np.ndarray, annotations: Annotations
) -> tuple[np.ndarray, np.ndarray]:
    """The products that have a variant among the block pairs (int), and whether their nearest one there is it (bool).

    A tie between a variant and another design counts as not found.
    """
    pairs = annotations.block_pairs
    score = similarities(embeddings, pairs)
    best = {label: np.full(len(annotations.indices), -np.inf) for label in (True, False)}
    for label, highest in best.items():
        chosen = pairs.label == label
        for ends in (pairs.left, pairs.right):
            np.maximum.at(highest, ends[chosen], score[chosen])
    asked = np.flatnonzero(best[True] > -np.inf)
    return asked, best[True][asked] > best[False][asked]
