"""Metrics of groups and similarities on complete blocks.

Blocks are drawn, and not pairs or designs: a block is drawn at random and looked at whole, so the
bootstrap draws whole blocks (Davison and Hinkley 1997, section 3.8). Sources:

- B-cubed: Bagga and Baldwin (1998); Amigó et al. (2009), section 4.
- pair precision and recall: the pairs of Rand (1971); their geometric mean is the Fowlkes-Mallows
  score.
"""

import numpy as np

from ml.evaluate.bands import group_scores, published
from ml.evaluate.bootstrap import interval, resample
from ml.evaluate.complete_blocks import CompleteBlocks
from ml.evaluate.metric_words import COMPLETE_METRICS, Interval
from ml.evaluate.metrics import average_precision
from ml.evaluate.params import EvaluateParams
from ml.grouping.calibration import Calibration, expected_calibration_error
from ml.grouping.grouping import ClusteringName, Grouping

# The metrics of groups that are also computed for the published groups alone.
PUBLISHED = ("group_precision", "designs_exact", "designs_joined", "pair_recall")


class CompleteEvaluation:
    """Measures embeddings of the products of complete blocks.

    Args:
        embeddings: float (products, size), each of length 1, in the order of `truth.indices`.
        truth: of these products; it is `measurable`.
        resamples: number of resamples of the blocks.
        seed: of the resamples.
    """

    def __init__(
        self, embeddings: np.ndarray, truth: CompleteBlocks, resamples: int, seed: int
    ) -> None:
        pairs = truth.pairs
        self.truth, self.embeddings = truth, embeddings
        self.similarity = np.einsum("nd,nd->n", embeddings[pairs.left], embeddings[pairs.right])
        self.weight = resample(int(truth.block.max()) + 1, resamples, seed)
        self.pair_weight = self.weight[:, truth.block[pairs.left]]

    def metrics(
        self,
        group: np.ndarray,
        calibration: Calibration | None = None,
        publish: float | None = None,
    ) -> dict[str, Interval]:
        """Computes the metrics of `ml.evaluate.metric_words.COMPLETE_METRICS`.

        Args:
            group: int (products,), the group of each product, from 0.
            calibration: of cosine similarity; without one there are no metrics of scores.
            publish: least score of a published group; None: no group is published.
        """
        truth, label = self.truth, self.truth.pairs.label
        draws = self.group_draws(group)
        draws["block_ap"] = self.block_ap_draws()
        if calibration:
            score, _ = group_scores(self.embeddings, truth.block, group, calibration)
            kept = self.group_draws(published(group, score, publish))
            draws |= {f"published_{name}": kept[name] for name in PUBLISHED}
            probability = calibration.probability(self.similarity, truth.block_size)
            draws["ece"] = expected_calibration_error(probability, label, self.pair_weight)
        return {name: interval(draws[name]) for name in COMPLETE_METRICS if name in draws}

    def block_ap_draws(self) -> np.ndarray:
        """Computes block AP for each resample: float (1 + resamples,)."""
        return average_precision(self.truth.pairs.label, self.similarity, self.pair_weight)

    def group_draws(self, group: np.ndarray) -> dict[str, np.ndarray]:
        """Computes the metrics of groups for each resample: name → float (1 + resamples,).

        A metric is NaN in resamples without a pair, group or design that it is a share of.

        Args:
            group: int (products,), the group of each product.
        """
        truth, pairs = self.truth, self.truth.pairs
        together = group[pairs.left] == group[pairs.right]
        right = together & pairs.label
        precision, recall = _bcubed(len(group), pairs.left, pairs.right, together, pairs.label)
        # A group counts if one of its pairs is decided, and it is pure if none has two designs.
        grouped = np.unique(group[pairs.left[together]])
        mixed = np.unique(group[pairs.left[together & ~pairs.label]])
        pure = ~np.isin(grouped, mixed)
        block_of_group = _first(group, truth.block)[grouped]
        designs = np.unique(truth.design[pairs.left[pairs.label]])
        torn = truth.design[pairs.left[pairs.label & ~together]]
        joined = ~np.isin(designs, torn)
        exact = joined & ~np.isin(_first(truth.design, group)[designs], mixed)
        block_of_design = _first(truth.design, truth.block)[designs]
        return {
            "pair_precision": _share(right[together], self.pair_weight[:, together]),
            "pair_recall": _share(right[pairs.label], self.pair_weight[:, pairs.label]),
            "bcubed_precision": _share(precision, self.weight[:, truth.block]),
            "bcubed_recall": _share(recall, self.weight[:, truth.block]),
            "group_precision": _share(pure, self.weight[:, block_of_group]),
            "designs_joined": _share(joined, self.weight[:, block_of_design]),
            "designs_exact": _share(exact, self.weight[:, block_of_design]),
        }


def complete_metrics(
    embeddings: np.ndarray,
    truth: CompleteBlocks,
    clustering: ClusteringName,
    threshold: float,
    params: EvaluateParams,
    calibration: Calibration | None = None,
    publish: float | None = None,
) -> dict[str, Interval]:
    """Groups the products of complete blocks and measures embeddings and groups.

    Args:
        embeddings, truth: as of `CompleteEvaluation`.
        clustering: how products become groups, see `ml.grouping.grouping`.
        threshold: 1 − cosine.
        params: of the stage evaluate; they hold the number of resamples and their seed.
        calibration, publish: see `CompleteEvaluation.metrics`.
    """
    group = Grouping(embeddings, truth.block, clustering).cut(threshold)
    measured = CompleteEvaluation(embeddings, truth, params.resamples, params.seed)
    return measured.metrics(group, calibration, publish)


def _bcubed(
    count: int, left: np.ndarray, right: np.ndarray, together: np.ndarray, label: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Computes B-cubed precision and recall of each product: float (products,) each.

    Every product is a member of its own group and of its own design.
    """
    ends = np.concatenate([left, right])

    def mates(chosen: np.ndarray) -> np.ndarray:
        return 1 + np.bincount(ends[np.tile(chosen, 2)], minlength=count)

    both = mates(together & label)
    return both / mates(together), both / mates(label)


def _first(numbers: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Returns for each number, from 0, the value at one of its places; 0 for numbers without."""
    found = np.zeros(int(numbers.max()) + 1, int)
    found[numbers] = values
    return found


def _share(found: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Averages values with the weights of each resample; NaN where all weights are 0.

    Args:
        found: float or bool (items,).
        weight: float (resamples, items).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weight @ found / weight.sum(axis=1))
