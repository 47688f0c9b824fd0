"""Assigns one new product to a group of a catalogue, without grouping anything anew."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.catalogue.block_grouping import BlockMean, Grouper, Rows, relative_to
from ml.catalogue.versions import Version
from ml.data.schema import BLOCK

NEAREST = 3  # products that an answer names


class Neighbour(NamedTuple):
    """A product near the asked one.

    Attributes:
        probability: that both are colour variants; None for a model without a calibration.
    """

    product_id: str
    group: str
    probability: float | None


class Assignment(NamedTuple):
    """The group that a new product would join.

    Attributes:
        group: its id; None: the product would be alone.
        probability: that the product is a variant of a member, averaged over the group; None if
            there is no group or no calibration.
        nearest: the nearest products of its block, at most three, the nearest first.
    """

    group: str | None
    probability: float | None
    nearest: list[Neighbour]


class _Block(NamedTuple):
    """A block that was asked about.

    Attributes:
        vectors: float32 (products, size), relative to the block, each of length 1.
        label: int (products,), from 0.
        size: int (groups,), products of each group.
        joinable: bool (groups,), whether a product may join.
    """

    mean: BlockMean
    vectors: np.ndarray
    ids: np.ndarray
    groups: np.ndarray
    label: np.ndarray
    size: np.ndarray
    joinable: np.ndarray


class Assigner:
    """The groups of a version, ready to be asked about.

    Args:
        embeddings: of the version's products, not relative to blocks.
        locked: ids of products of locked groups, which nothing joins.
    """

    def __init__(
        self,
        version: Version,
        embeddings: Rows,
        grouper: Grouper,
        locked: Collection[str] = (),
    ) -> None:
        self.version, self.embeddings, self.grouper = version, embeddings, grouper
        products = version.products
        self.locked = set(products.loc[products["product_id"].isin(locked), "group"])
        readable = np.flatnonzero(version.products["problem"].isna())
        blocks = version.products.iloc[readable].groupby(BLOCK, sort=False).indices
        self.rows = {name: readable[places] for name, places in blocks.items()}
        self.means = {
            tuple(row[:3]): BlockMean(np.asarray(row[4], np.float32), int(row[3]))
            for row in version.means[[*BLOCK, "products", "total"]].itertuples(
                index=False, name=None
            )
        }
        self.known: dict[tuple[str, ...], _Block] = {}  # blocks that somebody has asked about

    def assign(self, embedding: np.ndarray, block: tuple[str, str, str]) -> Assignment:
        """Finds the group that the next grouping would most likely put a product into.

        The group is the nearest one by the linkage of the model's clustering (the largest, mean or
        smallest distance of the members), if that is within the threshold.

        Args:
            embedding: float (size,), not relative to the block.
            block: brand, gender, article_type.
        """
        rows = self.rows.get(block)
        if rows is None:
            return Assignment(None, None, [])
        known = self.known.get(block) or self._open(block, rows)
        one = relative_to(
            np.asarray(embedding, np.float32)[None], known.mean, self.grouper.block_prior
        )[0]
        cosine = known.vectors @ one
        probability = self._probability(cosine, len(rows) + 1)
        distance = _linkage(1 - cosine, known.label, known.size, self.grouper.clustering)
        distance = np.where(known.joinable, distance, np.inf)
        best = int(distance.argmin())
        joins = bool(distance[best] <= self.grouper.threshold)
        mean = probability[known.label == best].mean() if joins else np.nan
        nearest = np.argsort(-cosine, kind="stable")[:NEAREST]
        return Assignment(
            str(known.groups[known.label == best][0]) if joins else None,
            _number(mean),
            [
                Neighbour(str(known.ids[at]), str(known.groups[at]), _number(probability[at]))
                for at in nearest
            ],
        )

    def _probability(self, cosine: np.ndarray, products: int) -> np.ndarray:
        calibration = self.grouper.calibration
        if calibration is None:
            return np.full(len(cosine), np.nan)
        return calibration.probability(cosine, products)

    def _open(self, block: tuple[str, str, str], rows: np.ndarray) -> _Block:
        embeddings = np.asarray(self.embeddings[rows], np.float32)
        mean = self.means.get(block) or BlockMean(embeddings.sum(axis=0), len(embeddings))
        members = self.version.products.iloc[rows]
        label, names = pd.factorize(members["group"])
        opened = _Block(
            mean,
            relative_to(embeddings, mean, self.grouper.block_prior),
            members["product_id"].to_numpy(dtype=object),
            members["group"].to_numpy(dtype=object),
            np.asarray(label, int),
            np.bincount(label),
            ~names.isin(self.locked),
        )
        self.known[block] = opened
        return opened


def _linkage(
    distance: np.ndarray, label: np.ndarray, size: np.ndarray, clustering: str
) -> np.ndarray:
    """Returns the distance of a product to each group: float (groups,)."""
    if clustering == "complete":
        found = np.full(len(size), -np.inf)
        np.maximum.at(found, label, distance)
    elif clustering == "mutual":
        found = np.full(len(size), np.inf)
        np.minimum.at(found, label, distance)
    else:  # average linkage, and correlation clustering, whose sum of weights is then not negative
        found = np.bincount(label, distance) / size
    return np.asarray(found)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)
