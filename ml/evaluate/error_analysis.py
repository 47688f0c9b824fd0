"""Error analysis: the groups, the worst false positives and the worst false negatives."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.data.annotations import Annotations
from ml.data.blocks import block_numbers
from ml.grouping.grouping import ClusteringName, Grouping

PAIRS = 24  # of each kind of mistake, at most


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
        false_positives: at most `PAIRS` pairs of different designs, the most similar first.
        false_negatives: at most `PAIRS` pairs of one design, the least similar first.
    """

    groups: list[np.ndarray]
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
        _worst(annotations, similarity, threshold, False),
        _worst(annotations, similarity, threshold, True),
    )


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
