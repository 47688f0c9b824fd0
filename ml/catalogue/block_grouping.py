"""Groups one block: against its kept mean, with the groups that it had, and with corrections."""

from typing import NamedTuple, Protocol

import numpy as np

from ml.catalogue.block_clustering import Held, cluster_block
from ml.grouping.calibration import Calibration
from ml.grouping.grouping import ClusteringName
from ml.grouping.product_scores import product_scores

NO_PAIRS = np.zeros((0, 2), int)


class Rows(Protocol):
    """Embeddings, read for some products at a time: an array, or what reads from the store."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        """Returns float16 or float32 (rows, size)."""


class Grouper(NamedTuple):
    """How a model groups.

    Attributes:
        files: digest of the model's files.
        clustering: name in `ml.grouping.grouping.CLUSTERINGS`.
        threshold: 1 − cosine.
        block_prior: see `ml.data.blocks.relative_to_block`.
        calibration: of similarity; None: there are no scores.
        publish: least mean score of a group in the band "publish".
    """

    files: str
    clustering: ClusteringName
    threshold: float
    block_prior: float
    calibration: Calibration | None
    publish: float

    def facts(self) -> dict[str, object]:
        """Returns what a version keeps of it: another one may group everything differently."""
        return {
            "model_files": self.files,
            "clustering": self.clustering,
            "threshold": self.threshold,
        }


class BlockMean(NamedTuple):
    """The mean that the products of a block are compared against.

    Attributes:
        total: float32 (size,), the sum of the embeddings of the products that made it.
        products: how many they were.
    """

    total: np.ndarray
    products: int


class Block(NamedTuple):
    """What is to be grouped; products are counted from 0 within the block.

    Attributes:
        embeddings: float16 or float32 (products, size); of readable pictures only.
        mean: the kept mean; None: it is made of these embeddings.
        earlier: int (products,), number of the group in the version before; −1 for a newcomer.
        margin: 1 − cosine, by which evidence must exceed the threshold to change earlier groups.
        same, different: int (any, 2), pairs that are together or apart whatever the model says.
        locked: int (products,), number of the locked group, or −1.
    """

    embeddings: np.ndarray
    mean: BlockMean | None
    earlier: np.ndarray
    margin: float
    same: np.ndarray = NO_PAIRS
    different: np.ndarray = NO_PAIRS
    locked: np.ndarray | None = None


class GroupedBlock(NamedTuple):
    """The groups of a block.

    Attributes:
        label: int (products,), from 0.
        score, band: of each product, see `ml.serve.predictor.Predictor.group`.
        mean: that the products were compared against.
    """

    label: np.ndarray
    score: np.ndarray
    band: np.ndarray
    mean: BlockMean


def group_block(block: Block, grouper: Grouper) -> GroupedBlock:
    """Groups one block."""
    embeddings = np.asarray(block.embeddings, np.float32)
    mean = block.mean or BlockMean(embeddings.sum(axis=0), len(embeddings))
    relative = relative_to(embeddings, mean, grouper.block_prior)
    label = np.zeros(len(embeddings), int)
    locked = np.full(len(label), -1) if block.locked is None else block.locked
    free = np.flatnonzero(locked < 0)
    if len(free):
        held = Held(
            block.earlier[free],
            block.margin,
            _within(block.same, free, len(label)),
            _within(block.different, free, len(label)),
        )
        label[free] = cluster_block(relative[free], grouper.clustering, grouper.threshold, held)
    label[locked >= 0] = locked[locked >= 0] + len(label)
    label = np.unique(label, return_inverse=True)[1]
    score = np.full(len(label), np.nan)
    if grouper.calibration:
        score = product_scores(relative, np.zeros_like(label), label, grouper.calibration)
    return GroupedBlock(label, score, bands(label, score, grouper.publish), mean)


def group_alone(
    embeddings: Rows, grouper: Grouper, block: np.ndarray, chosen: np.ndarray
) -> np.ndarray:
    """Groups by the model alone: without earlier groups, without constraints, by today's means.

    Args:
        embeddings: of the products, not relative to blocks.
        block: int (products,).
        chosen: bool (products,); every other product is alone.

    Returns:
        int (products,), the number of each product's group, which is that of its first product.
    """
    label, places = np.arange(len(block)), np.flatnonzero(chosen)
    places = places[np.argsort(block[places], kind="stable")]
    for members in np.split(places, np.flatnonzero(np.diff(block[places])) + 1):
        if len(members):
            nobody = np.full(len(members), -1)
            found = group_block(Block(embeddings[members], None, nobody, 0.0), grouper).label
            label[members] = members[np.unique(found, return_index=True)[1]][found]
    return label


def relative_to(embeddings: np.ndarray, mean: BlockMean, prior: float) -> np.ndarray:
    """Subtracts the mean of a block, see `ml.data.blocks.relative_to_block`.

    Returns:
        float32 (products, size), each of length 1.
    """
    moved = embeddings - mean.total / np.float32(mean.products + prior)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.where(length > 0, length, 1), dtype=np.float32)


def bands(label: np.ndarray, score: np.ndarray, publish: float) -> np.ndarray:
    """Returns what is to be done with each product's group: publish, review, or leave alone."""
    size = np.bincount(label)
    good = np.bincount(label, score) / size >= publish
    return np.where(size == 1, "leave", np.where(good, "publish", "review"))[label]


def _within(pairs: np.ndarray, chosen: np.ndarray, count: int) -> np.ndarray:
    """Returns those pairs of which both are chosen, counted among the chosen."""
    place = np.full(count, -1)
    place[chosen] = np.arange(len(chosen))
    found = place[pairs]
    return np.asarray(found[(found >= 0).all(axis=1)])
