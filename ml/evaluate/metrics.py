"""The metrics that this project reports, each defined once.

Every function takes weights of shape (resamples, items) and returns one value for each resample.
So the same code computes the value (all weights are 1) and its bootstrap interval
(`ml.evaluate.bootstrap`). Higher is better for every metric.

Sources:
- average precision, ROC AUC: Fawcett, "An introduction to ROC analysis" (2006), and the definitions
  of scikit-learn, which the tests compare these with
- ARI: Hubert and Arabie (1985), in the pair-counting form of Steinley (2004)
- FMS: Fowlkes and Mallows (1983)
- NMI with arithmetic mean: Strehl and Ghosh (2002)
- mean average precision: Manning, Raghavan and Schütze (2008), section 8.4
- CGacc: arXiv 2104.08581, section 4
"""

import numpy as np
from scipy.sparse import coo_array, csr_array

FPR = 0.01  # the false-positive rate at which the true-positive rate is read


def average_precision(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Computes the area under the precision-recall steps, Σ (Rₙ − Rₙ₋₁) Pₙ; ties are one step.

    Args:
        label: bool (pairs,), true for a pair of variants.
        score: float (pairs,).
        weight: float (resamples, pairs).

    Returns:
        float (resamples,); NaN where a resample has no positive.
    """
    hits, misses = _counts(label, score, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(hits + misses > 0, hits / (hits + misses), 0)
        gained = np.diff(hits, axis=1, prepend=0)
        return np.asarray((gained * precision).sum(axis=1) / hits[:, -1])


def roc_auc(label: np.ndarray, score: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Computes the probability that a positive scores above a negative; ties count half.

    Arguments and result have the shapes of `average_precision`.
    """
    hits, misses = _counts(label, score, weight)
    middle = hits - np.diff(hits, axis=1, prepend=0) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (np.diff(misses, axis=1, prepend=0) * middle).sum(axis=1)
            / (hits[:, -1] * misses[:, -1])
        )


def tpr_at_fpr(
    label: np.ndarray, score: np.ndarray, weight: np.ndarray, fpr: float = FPR
) -> np.ndarray:
    """Computes the largest true-positive rate at a false-positive rate of at most `fpr`.

    The other arguments and the result have the shapes of `average_precision`.
    """
    hits, misses = _counts(label, score, weight)
    with np.errstate(invalid="ignore", divide="ignore"):
        allowed = misses / misses[:, -1:] <= fpr
        return np.asarray(np.where(allowed, hits, 0).max(axis=1) / hits[:, -1])


def recall_at_1(found: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Computes the share of products whose most similar product of the block is a variant.

    Args:
        found: bool (products,), for each product with a variant in its block: whether the most
            similar product is one.
        weight: float (resamples, products).

    Returns:
        float (resamples,).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(weight @ found / weight.sum(axis=1))


class Rankings:
    """What mean average precision needs of the products' rankings of their blocks.

    Each product with a variant in its block is a query. It ranks the other products of its block
    that it has a pair with, by similarity; ties are one step.

    Args:
        left, right: int (pairs,), positions of products.
        label: bool (pairs,), true for a pair of variants.
        score: float (pairs,).
        design: int (products,), numbered from 0.

    Attributes:
        design: int (found,), of the query; there is an item for each query and each of its
            variants.
        share: float (found,), 1 / number of the query's variants.
        hits: int (found,), variants ranked as high as this one or higher, itself included.
        above: float (designs, found), sparse, other designs' products ranked so.
    """

    def __init__(
        self,
        left: np.ndarray,
        right: np.ndarray,
        label: np.ndarray,
        score: np.ndarray,
        design: np.ndarray,
    ) -> None:
        query, ranked = np.concatenate([left, right]), np.concatenate([right, left])
        label, score = np.tile(label, 2), np.tile(score, 2)
        order = np.lexsort((-score, query))
        query, ranked, label, score = query[order], ranked[order], label[order], score[order]
        step = np.flatnonzero((np.diff(query) != 0) | (np.diff(score) != 0)) + 1
        start = np.searchsorted(query, query)
        found = np.flatnonzero(label)
        # Where the ranking of this query ends that holds this variant and what ties with it.
        end = np.append(step, len(query))[np.searchsorted(step, found, side="right")]
        until = np.append(0, np.cumsum(label))
        self.design = design[query[found]]
        self.hits = until[end] - until[start[found]]
        ends_of_query = np.searchsorted(query, query[found], side="right")
        self.share = 1 / (until[ends_of_query] - until[start[found]])
        length = end - start[found]
        item = np.repeat(np.arange(len(found)), length)
        place = np.arange(len(item)) - np.repeat(np.cumsum(length) - length - start[found], length)
        other = ~label[place]
        cells = design[ranked[place[other]]], item[other]
        shape = int(design.max()) + 1, len(found)
        self.above = csr_array(coo_array((np.ones(len(cells[0])), cells), shape=shape))


def mean_average_precision(rankings: Rankings, weight: np.ndarray) -> np.ndarray:
    """Computes the mean over queries of the average precision of their rankings.

    Args:
        rankings: of the products.
        weight: float (resamples, designs), how often a resample holds each design. A query counts
            once for each copy of its design, and ranks its own copy's products once and those of
            another design once for each of that design's copies. Products of two copies of a design
            are not compared.

    Returns:
        float (resamples,); NaN where a resample has no query.
    """
    precision = rankings.hits / (rankings.hits + weight @ rankings.above)
    counted = weight[:, rankings.design] * rankings.share
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((counted * precision).sum(axis=1) / counted.sum(axis=1))


class Confusion:
    """Counts ordered pairs of products by design and by found group, for each resample.

    Args:
        design, group: int (products,), annotated and found.
        weight: float (resamples, designs), how often a resample holds each design. The copies of a
            design count as different designs, and products of two copies are not compared.

    Attributes:
        true_positive, false_negative, false_positive, true_negative: float (resamples,).
    """

    def __init__(self, design: np.ndarray, group: np.ndarray, weight: np.ndarray) -> None:
        table = _contingency(design, group)
        size = table.sum(axis=1)
        # Ordered pairs of a design's products that are found together, each with itself included.
        together = (table**2).sum(axis=1)
        self.true_positive = weight @ (together - size)
        self.false_negative = weight @ (size**2 - together)
        drawn = weight @ table  # (resamples, groups): products in each found group
        # Pairs within a group whose products are of one design, over all pairs of its copies.
        own = weight**2 @ table**2
        self.false_positive = (drawn**2 - own).sum(axis=1)
        different = (weight @ size) ** 2 - weight**2 @ size**2  # pairs of different designs
        self.true_negative = different - self.false_positive


def adjusted_rand(pairs: Confusion) -> np.ndarray:
    """Computes the adjusted Rand index: 1 for the annotated groups, about 0 for random ones.

    Returns:
        float (resamples,).
    """
    tp, tn = pairs.true_positive, pairs.true_negative
    fp, fn = pairs.false_positive, pairs.false_negative
    with np.errstate(invalid="ignore", divide="ignore"):
        index = 2 * (tp * tn - fn * fp) / ((tp + fn) * (fn + tn) + (tp + fp) * (fp + tn))
    return np.asarray(np.where((fp == 0) & (fn == 0), 1.0, index))


def fowlkes_mallows(pairs: Confusion) -> np.ndarray:
    """Computes the geometric mean of pair precision and pair recall: float (resamples,).

    It is 0 where no two products of one design are found together.
    """
    tp, fp, fn = pairs.true_positive, pairs.false_positive, pairs.false_negative
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(tp > 0, tp / np.sqrt((tp + fp) * (tp + fn)), 0.0))


def normalized_mutual_information(
    design: np.ndarray, group: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Computes mutual information divided by the mean of both entropies: float (resamples,).

    It is near 1 for any grouping into small groups, so no decision should depend on it.

    Args:
        design, group: int (products,), annotated and found.
        weight: float (resamples, designs).
    """
    table = _contingency(design, group).tocoo()
    joint = weight[:, table.row] * table.data
    joint = joint / joint.sum(axis=1, keepdims=True)
    cells = np.arange(table.nnz)
    of_design = joint @ coo_array(
        (np.ones(table.nnz), (cells, table.row)), shape=(table.nnz, table.shape[0])
    )
    of_group = joint @ coo_array(
        (np.ones(table.nnz), (cells, table.col)), shape=(table.nnz, table.shape[1])
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        log = np.where(
            joint > 0, np.log(joint / (of_design[:, table.row] * of_group[:, table.col])), 0
        )
        mutual = (joint * log).sum(axis=1)
        mean = (_entropy(of_design) + _entropy(of_group)) / 2
        return np.where(mean > 0, mutual / mean, 1.0)


def group_accuracy(
    design: np.ndarray, group: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Computes CGacc and CG precision: float (resamples,) each.

    Args:
        design, group: int (products,), annotated and found.
        weight: float (resamples, designs).

    Returns:
        The share of designs of two or more products that are recovered exactly, and the share of
        found groups of two or more products that are exactly a design. A group counts with the mean
        weight of its products.
    """
    table = _contingency(design, group).tocoo()
    size, found = np.bincount(design), np.bincount(group)
    exact = (table.data == size[table.row]) & (table.data == found[table.col]) & (table.data >= 2)
    several = np.flatnonzero(size >= 2)
    recovered = weight[:, np.intersect1d(table.row[exact], several)].sum(axis=1)
    of_group = (weight @ table) / np.maximum(found, 1)
    grouped = np.flatnonzero(found >= 2)
    right = of_group[:, table.col[exact]].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        accuracy = recovered / weight[:, several].sum(axis=1)
        precision = right / of_group[:, grouped].sum(axis=1)
    return accuracy, np.where(np.isnan(precision), 0.0, precision)


def _counts(
    label: np.ndarray, score: np.ndarray, weight: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cumulates weights of positives and of negatives from the highest distinct score down."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.flatnonzero(np.diff(score[order])), len(order) - 1)
    ordered = weight[:, order]
    hits = np.cumsum(ordered * label[order], axis=1)[:, last]
    misses = np.cumsum(ordered * ~label[order], axis=1)[:, last]
    return hits, misses


def _contingency(design: np.ndarray, group: np.ndarray) -> csr_array:
    """Products of each design (row) in each found group (column)."""
    return csr_array(coo_array((np.ones(len(design)), (design, group))))


def _entropy(share: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(-np.where(share > 0, share * np.log(share), 0).sum(axis=1))
