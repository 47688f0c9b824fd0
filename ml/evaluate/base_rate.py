"""The base rate: how many variants a product has in its block, on average.

Annotated pairs hold more variants than a catalogue. If that is all in which they differ, a
probability is corrected by the odds of both base rates (Saerens, Latinne and Decaestecker 2002,
"Adjusting the outputs of a classifier to new a priori probabilities"). The base rate of pairs
depends on the size of the block: a product has about as many variants in a large block as in a
small one, so that of n products a pair holds variants with a probability of variants / (n − 1).
"""

from typing import NamedTuple

import numpy as np

from ml.evaluate.complete_blocks import CompleteBlocks
from ml.grouping.calibration import Calibration

BINS = 400  # of similarity, in −1 … 1
ROWS = 1000  # of a block that are compared with all of it at once
EDGES = np.linspace(-1, 1, BINS + 1)
ITERATIONS = 200


class BlockSimilarities(NamedTuple):
    """All pairs of products of one block, counted by similarity.

    Attributes:
        similarity: float (1, BINS), the middle of each bin.
        products: int (blocks, 1), the number of products of each block of two or more.
        pairs: float (blocks, BINS), the number of pairs.
    """

    similarity: np.ndarray
    products: np.ndarray
    pairs: np.ndarray


def block_similarities(embeddings: np.ndarray, block: np.ndarray) -> BlockSimilarities:
    """Counts the cosine similarities of all pairs within blocks; no labels are used.

    Args:
        embeddings: float (products, size), each of length 1.
        block: int (products,), from 0.
    """
    counts, sizes = [np.zeros((0, BINS))], []
    order = np.argsort(block, kind="stable")
    for members in np.split(order, np.cumsum(np.bincount(block))[:-1]):
        if len(members) >= 2:
            own = embeddings[members]
            found = -_histogram(np.einsum("nd,nd->n", own, own))  # a product is no pair with itself
            for start in range(0, len(own), ROWS):
                found += _histogram(own[start : start + ROWS] @ own.T)
            counts.append(found[None] / 2)
            sizes.append(len(own))
    middles = (EDGES[:-1] + EDGES[1:]) / 2
    return BlockSimilarities(middles[None], np.array(sizes, int)[:, None], np.concatenate(counts))


def variants_by_em(calibration: Calibration, pairs: BlockSimilarities) -> float:
    """Estimates the number of variants of a product by expectation maximisation, without labels.

    Args:
        calibration: whose base rate is unknown.
        pairs: of a catalogue that the model was not trained on, with a pair at least.
    """
    variants = 1.0
    for _ in range(ITERATIONS):
        guess = calibration._replace(variants=variants)
        found = guess.probability(pairs.similarity, pairs.products) * pairs.pairs
        variants = float(found.sum() / (pairs.pairs / (pairs.products - 1)).sum())
    return variants


def variants_of(truths: list[CompleteBlocks]) -> float | None:
    """Counts the variants of a product in complete blocks; None if they hold none.

    Args:
        truths: complete blocks of several splits.
    """
    found = sum(int(one.pairs.label.sum()) for one in truths)
    others = sum(float((1 / (one.block_size - 1)).sum()) for one in truths)
    return found / others if found else None


def _histogram(cosine: np.ndarray) -> np.ndarray:
    return np.histogram(np.clip(cosine, -1, 1), EDGES)[0].astype(float)
