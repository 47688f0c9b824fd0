"""How near the products of a block are to each other, in a version of its groups."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.catalogue.block_grouping import BlockMean, Grouper, Rows, relative_to
from ml.data.schema import BLOCK

CHUNK = 4096  # products whose embeddings are in memory at once


class Outsider(NamedTuple):
    """A product of another group that is near a group.

    Attributes:
        row: of the product.
        member: row of the member that is nearest to it.
        similarity: cosine of the two, relative to their block.
        probability: that the two are colour variants; None for a model without a calibration.
    """

    row: int
    member: int
    similarity: float
    probability: float | None


class Closeness:
    """Compares the products of a version as its grouping did: relative to the kept block means.

    Args:
        products: group, problem, brand, gender and article_type; rows are counted from 0.
        block: int (products,), the block of each.
        means: of the version, see `ml.catalogue.versions.Version`.
        embeddings: of the products, not relative to blocks.
    """

    def __init__(
        self,
        products: pd.DataFrame,
        block: np.ndarray,
        means: pd.DataFrame,
        embeddings: Rows,
        grouper: Grouper,
    ) -> None:
        self.block, self.embeddings, self.grouper = block, embeddings, grouper
        self.names = products[BLOCK].astype(str)
        self.readable = products["problem"].isna().to_numpy()
        self.means = {
            tuple(row[:3]): BlockMean(np.asarray(row[4], np.float32), int(row[3]))
            for row in means[[*BLOCK, "products", "total"]].itertuples(index=False, name=None)
        }

    def mean(self, row: int) -> BlockMean | None:
        """Returns the kept mean of a product's block; None: fewer than two can be read."""
        return self.means.get(tuple(self.names.iloc[row]))

    def vectors(self, rows: np.ndarray) -> np.ndarray:
        """Returns the embeddings of products of one block, relative to it: float32 (rows, size)."""
        mean = self.mean(int(rows[0]))
        assert mean is not None
        return relative_to(
            np.asarray(self.embeddings[rows], np.float32), mean, self.grouper.block_prior
        )

    def probability(self, row: int, similarity: np.ndarray) -> np.ndarray | None:
        """Returns how likely pairs of a product's block are variants; None: no calibration."""
        if self.grouper.calibration is None:
            return None
        count = int((self.readable & (self.block == self.block[row])).sum())
        return self.grouper.calibration.probability(similarity, count)

    def similarities(self, rows: np.ndarray) -> np.ndarray:
        """Compares products of one block: float (rows, rows), cosines; NaN: not readable."""
        found = np.full((len(rows), len(rows)), np.nan)
        good = np.flatnonzero(self.readable[rows])
        if len(good) and self.mean(int(rows[0])) is not None:
            vectors = self.vectors(rows[good])
            found[np.ix_(good, good)] = vectors @ vectors.T
        return found

    def outsiders(self, members: np.ndarray, most: int) -> list[Outsider]:
        """Finds the products of other groups that are nearest to any member, the nearest first.

        Args:
            members: int (any,), rows of one whole group.
            most: of the answers.
        """
        here = members[self.readable[members]]
        there = np.flatnonzero(self.readable & (self.block == self.block[members[0]]))
        there = there[~np.isin(there, members)]
        if not len(here) or not len(there) or self.mean(int(here[0])) is None:
            return []
        inside = self.vectors(here)
        best, nearest = np.zeros(len(there)), np.zeros(len(there), int)
        for at in range(0, len(there), CHUNK):
            cosine = self.vectors(there[at : at + CHUNK]) @ inside.T
            nearest[at : at + CHUNK] = here[cosine.argmax(axis=1)]
            best[at : at + CHUNK] = cosine.max(axis=1)
        chosen = np.argsort(-best, kind="stable")[:most]
        likely = self.probability(int(here[0]), best[chosen])
        return [
            Outsider(
                int(there[one]),
                int(nearest[one]),
                float(best[one]),
                None if likely is None else float(likely[place]),
            )
            for place, one in enumerate(chosen)
        ]
