"""The products of a grouping that people may be asked about, and pairs of them as a table."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.annotate.pair_scan import Pairs
from ml.annotate.selection import Drawn

PUBLISHED, REVIEW, OUTSIDE = PLACES = ("published", "review", "outside")
COLUMNS = ["left", "right", "stratum", "probability", "why"]


@dataclass(frozen=True)
class Grouped:
    """The products of a grouping that people may be asked about.

    Attributes:
        ids: of the products.
        block: int (products,), from 0; −1 for products that nobody may be asked about.
        group: int (products,), the number of its group.
        published: bool (products,), whether its group is of the band "publish".
        new: bool (products,), whether its group was opened by the newest version.
    """

    ids: pd.Series
    block: np.ndarray
    group: np.ndarray
    published: np.ndarray
    new: np.ndarray

    def place(self, pairs: Pairs | Drawn) -> np.ndarray:
        """Returns where pairs are: int (pairs,), positions in `PLACES`."""
        together = self.group[pairs.left] == self.group[pairs.right]
        return np.where(together, np.where(self.published[pairs.left], 0, 1), 2)


def rows_of(ids: pd.Series, pairs: Drawn, stratum: str, among: int, why: str) -> pd.DataFrame:
    """Returns pairs as rows of a batch, see `COLUMNS`.

    Args:
        among: number of pairs of which each was as likely to be one of these.
    """
    names = ids.to_numpy(object)
    table = pd.DataFrame({"left": names[pairs.left], "right": names[pairs.right]}, dtype=object)
    return table.assign(
        stratum=stratum, probability=len(pairs) / among if among else np.nan, why=why
    )[COLUMNS]


def pairs_of(rows: list[pd.DataFrame]) -> set[tuple[str, str]]:
    """Returns the ids of the pairs of several tables."""
    return {pair for one in rows for pair in zip(one["left"], one["right"], strict=True)}
