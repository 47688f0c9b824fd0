"""Error analysis: the groups, the worst false positives and the worst false negatives."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from ml.data.annotations import Annotations
from ml.data.blocks import block_numbers
from ml.grouping.grouping import ClusteringName, Grouping

PAIRS = 24  # of each kind of mistake, at most
Verdict = Literal["right", "incomplete", "wrong", "unknown"]


@dataclass(frozen=True)
class Mistake:
    """A pair of products on or near the wrong side of the threshold.

    Attributes:
        left, right: positions in the products table.
        similarity: cosine similarity.
        wrong: whether the pair is on the wrong side of the threshold. After the wrong pairs a list
            goes on with those right pairs that are nearest to it.
    """

    left: int
    right: int
    similarity: float
    wrong: bool


@dataclass(frozen=True)
class ErrorAnalysis:
    """The groups and the worst mistakes of a model; products are positions in the products table.

    Attributes:
        groups: int (members,) each: the groups of two or more products, the largest first.
        verdicts: of each group, by the annotated pairs: "wrong" if it holds two designs,
            "incomplete" if a product of its design is elsewhere, "right" if it holds variants and
            neither is so, and "unknown" if no pair of it is annotated.
        false_positives: at most `PAIRS` pairs of different designs, the most similar first.
        false_negatives: at most `PAIRS` pairs of one design, the least similar first.
    """

    groups: list[np.ndarray]
    verdicts: list[Verdict]
    false_positives: list[Mistake]
    false_negatives: list[Mistake]


def analyse_errors(
    products: pd.DataFrame,
    embeddings: np.ndarray,
    threshold: float,
    clustering: ClusteringName,
    annotations: Annotations,
    similarity: np.ndarray,
) -> ErrorAnalysis:
    """Groups all products of a table and finds the worst mistakes among its block pairs.

    Args:
        products: brand, gender and article_type of each product.
        embeddings: float (products, size), each of length 1.
        threshold: 1 − cosine.
        clustering: see `ml.grouping.grouping`.
        annotations: of these products.
        similarity: float (block pairs,), their cosine similarity.
    """
    groups: list[np.ndarray] = []
    if len(products):
        group = Grouping(embeddings, block_numbers(products), clustering).cut(threshold)
        order = np.argsort(group, kind="stable")
        groups = [
            indices
            for indices in np.split(order, np.cumsum(np.bincount(group))[:-1])
            if len(indices) >= 2
        ]
        groups.sort(key=lambda indices: (-len(indices), int(indices[0])))
    return ErrorAnalysis(
        groups,
        verdicts(groups, annotations, len(products)),
        _worst(annotations, similarity, threshold, False),
        _worst(annotations, similarity, threshold, True),
    )


def verdicts(groups: list[np.ndarray], annotations: Annotations, products: int) -> list[Verdict]:
    """Returns which groups are right by the annotated pairs; see `ErrorAnalysis`.

    Args:
        groups: int (members,) each, positions in the products table; no product is in two.
        annotations: of the products of this table.
        products: number of products in it.
    """
    pairs = annotations.block_pairs
    group = -1 - np.arange(products)  # who is in no group is alone in one
    for number, indices in enumerate(groups):
        group[indices] = number
    left, right = (group[annotations.indices[ends]] for ends in (pairs.left, pairs.right))
    together = left == right
    found: dict[int, Verdict] = dict.fromkeys(left[together & pairs.label].tolist(), "right")
    parted = ~together & pairs.label
    found |= dict.fromkeys([*left[parted].tolist(), *right[parted].tolist()], "incomplete")
    found |= dict.fromkeys(left[together & ~pairs.label].tolist(), "wrong")
    return [found.get(number, "unknown") for number in range(len(groups))]


def _worst(
    annotations: Annotations, score: np.ndarray, threshold: float, label: bool
) -> list[Mistake]:
    pairs = annotations.block_pairs
    chosen = np.flatnonzero(pairs.label == label)
    chosen = chosen[np.argsort(score[chosen] if label else -score[chosen], kind="stable")][:PAIRS]
    left, right = annotations.indices[pairs.left], annotations.indices[pairs.right]
    return [
        Mistake(
            int(left[pair]),
            int(right[pair]),
            float(score[pair]),
            bool((score[pair] >= 1 - threshold) != label),
        )
        for pair in chosen
    ]
