"""What the version before says about today's products and blocks."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.catalogue.block_grouping import BlockMean, Grouper
from ml.catalogue.versions import Version
from ml.data.schema import BLOCK


class Earlier(NamedTuple):
    """The version before, row by row of today's products and block by block.

    Attributes:
        ids: object (groups,), of the groups then, the oldest first, then by id.
        opened: int (groups,), number of the version that opened each.
        group: int (products,), place in `ids`; −1 for a new product.
        row: int (products,), row of the table then; −1 for a new product.
        repictured: bool (products,), whether it has another picture now.
        steady: bool (products,), whether picture, block and readability are as they were.
        sizes: int (blocks,), number of products then.
        means: number of a block → its kept mean.
        same_model: whether it was grouped by the same model in the same way.
    """

    ids: np.ndarray
    opened: np.ndarray
    group: np.ndarray
    row: np.ndarray
    repictured: np.ndarray
    steady: np.ndarray
    sizes: np.ndarray
    means: dict[int, BlockMean]
    same_model: bool


def look_back(
    products: pd.DataFrame, block: np.ndarray, grouper: Grouper, before: Version | None
) -> Earlier:
    """Looks up today's products in the version before.

    Args:
        products: product_id, sha256, problem, brand, gender, article_type.
        block: int (products,), from 0, as they appear.
        before: None: there is none.
    """
    count, blocks = len(products), int(block.max(initial=-1)) + 1
    nothing, no = np.full(count, -1), np.zeros(count, bool)
    if before is None:
        none = np.zeros(0, int)
        return Earlier(
            none.astype(object), none, nothing, nothing, no, no, np.zeros(blocks, int), {}, False
        )
    old = before.products
    groups = old[["opened", "group"]].drop_duplicates().sort_values(["opened", "group"])
    code = pd.Index(groups["group"]).get_indexer(pd.Index(old["group"]))
    row = pd.Index(old["product_id"]).get_indexer(pd.Index(products["product_id"]))
    there = row >= 0
    then, now = old.iloc[row[there]], products[there]
    group, repictured, steady = nothing.copy(), no.copy(), no.copy()
    group[there] = code[row[there]]
    repictured[there] = ~_alike(then["sha256"], now["sha256"])
    moved = np.logical_or.reduce([~_alike(then[column], now[column]) for column in BLOCK])
    readable = then["problem"].isna().to_numpy() == now["problem"].isna().to_numpy()
    steady[there] = ~repictured[there] & ~moved & readable
    _, first = np.unique(block, return_index=True)
    keys = pd.MultiIndex.from_frame(products.iloc[first][BLOCK])
    sizes = old.groupby(BLOCK, sort=False).size().reindex(keys).fillna(0).to_numpy(int)
    kept = pd.MultiIndex.from_frame(before.means[BLOCK]).get_indexer(keys)
    totals, counts = before.means["total"].to_numpy(), before.means["products"].to_numpy(int)
    means = {
        number: BlockMean(np.asarray(totals[place], np.float32), int(counts[place]))
        for number, place in enumerate(kept)
        if place >= 0
    }
    return Earlier(
        groups["group"].to_numpy(dtype=object),
        groups["opened"].to_numpy(int),
        group,
        row,
        repictured,
        steady,
        sizes,
        means,
        all(before.facts[name] == value for name, value in grouper.facts().items()),
    )


def _alike(then: pd.Series, now: pd.Series) -> np.ndarray:
    return np.asarray(then.fillna("").to_numpy() == now.fillna("").to_numpy())
