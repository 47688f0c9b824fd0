"""The groups of a version, arranged so that those that a person looks for are found fast."""

import unicodedata
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from ml.catalogue.colour_names import name_colours
from ml.data.blocks import block_numbers

COLUMNS = (  # of a version's products
    *("product_id", "group", "score", "band", "problem", "representative", "sha256"),
    *("brand", "gender", "article_type", "title", "base_colour"),
)
SEARCHED = ("product_id", "title", "colour", "looks")  # of each product
CHUNK = 20_000  # products whose colours are named at once: each is compared with 36 references
Order = Literal["uncertain", "large", "id"]


@dataclass(frozen=True)
class Wanted:
    """Which groups are looked for; empty texts ask for nothing.

    Attributes:
        words: each must be in an id, title or colour of the group's products, or in its own id,
            brand or article type.
        brand, article_type, band: of the group.
        least: number of its products, at least.
        contradicted: whether a product must say one colour and look another.
        order: "uncertain": the group first whose least certain product has the lowest score, as it
            is the nearest to the threshold up to which products are grouped; groups without a score
            last. "large": the largest first. "id": by id.
    """

    words: str = ""
    brand: str = ""
    article_type: str = ""
    band: str = ""
    least: int = 2
    contradicted: bool = False
    order: Order = "uncertain"


class GroupList:
    """The groups of a version.

    Args:
        products: `COLUMNS`, of which title, base_colour and representative may be missing. Products
            without a group are left out.
        colours: float (products, 3), measured sRGB; NaN: not known.

    Attributes:
        products: object, by group; within one the representative first, then by id; with colour and
            looks, see `ml.catalogue.colour_names.name_colours`.
        ids: object (groups,), sorted.
        starts: int (groups + 1,), the first product of each group, and their number.
        block: int (products,), the block of each product.
        brands, article_types: sorted.
        lowest, score: float (groups,), the lowest score of its products and their mean; NaN: none.
    """

    def __init__(self, products: pd.DataFrame, colours: np.ndarray) -> None:
        table = products.assign(**_named(products, colours))
        for name, missing in (("title", None), ("representative", False)):
            if name not in table:
                table[name] = missing
        table = table[table["group"].notna()]
        codes, ids = pd.factorize(table["group"], sort=True)
        names = table["product_id"].to_numpy(object)
        order = np.lexsort((names.astype(str), ~table["representative"].to_numpy(bool), codes))
        self.products = table.iloc[order].reset_index(drop=True)
        self.ids = np.asarray(ids, dtype=object)
        self.starts = np.append(0, np.cumsum(np.bincount(codes, minlength=len(ids))))
        self.sizes = np.diff(self.starts)
        scores = self.products["score"].to_numpy(float)
        first = self.starts[:-1]
        known = ~np.isnan(scores)  # a product whose picture broke has none
        self.lowest = np.fmin.reduceat(scores, first) if len(first) else scores
        self.score = scores
        if len(first):
            count = np.add.reduceat(known.astype(float), first)
            total = np.add.reduceat(np.where(known, scores, 0), first)
            self.score = total / np.where(count > 0, count, np.nan)
        self.contradicted = self._any(self.products["looks"].notna().to_numpy())
        # Of one type with what is looked up: else every look-up converts all ids, in 40 ms.
        self.rows = pd.Index(self.products["product_id"].to_numpy(object), dtype=object)
        self.groups = pd.Index(self.ids, dtype=object)
        self.block = block_numbers(self.products)
        self.group_of = np.repeat(np.arange(len(self.ids)), self.sizes)
        self.brands, self.article_types = (
            sorted(self.products[name].dropna().astype(str).unique().tolist())
            for name in ("brand", "article_type")
        )
        self._texts = _texts(self.products, self.ids, self.starts)
        self._orders = {
            "uncertain": np.argsort(np.nan_to_num(self.lowest, nan=np.inf), kind="stable"),
            "large": np.argsort(-self.sizes, kind="stable"),
            "id": np.arange(len(self.ids)),
        }

    def members(self, group: int) -> pd.DataFrame:
        """Returns the products of a group, the representative first."""
        return self.products.iloc[self.starts[group] : self.starts[group + 1]]

    def place(self, group: str) -> int | None:
        """Returns the place of a group in `ids`; None: there is no such one."""
        found = int(self.groups.get_indexer(pd.Index([group], dtype=object))[0])
        return None if found < 0 else found

    def groups_of(self, product_ids: list[str]) -> np.ndarray:
        """Returns the places of the products' groups: int (products,), −1 for unknown ones."""
        rows = self.rows.get_indexer(pd.Index(product_ids, dtype=object))
        if not len(self.group_of):
            return rows
        return np.where(rows < 0, -1, self.group_of[rows])

    def find(self, wanted: Wanted, among: np.ndarray | None = None) -> np.ndarray:
        """Returns the places of the groups that are looked for, in order: int (any,).

        Args:
            among: int, places; None: all groups.
        """
        keep = self.sizes >= wanted.least
        if among is not None:
            keep &= np.isin(np.arange(len(self.ids)), among)
        if wanted.contradicted:
            keep &= self.contradicted
        for column, value in (
            ("brand", wanted.brand),
            ("article_type", wanted.article_type),
            ("band", wanted.band),
        ):
            if value and len(self.ids):
                # The products of a group are of one block and one band.
                first = self.products[column].iloc[self.starts[:-1]]
                keep &= (first == value).to_numpy(bool)
        for word in dict.fromkeys(_searchable(wanted.words).split()):
            left = np.flatnonzero(keep)  # those that are left are copied faster than all are read
            keep[left] = pc.match_substring(self._texts.take(left), word).to_numpy(False)
        order = self._orders[wanted.order]
        return np.asarray(order[keep[order]])

    def _any(self, of_products: np.ndarray) -> np.ndarray:
        if not len(self.ids):
            return np.zeros(0, bool)
        return np.asarray(np.logical_or.reduceat(of_products, self.starts[:-1]))


def _named(products: pd.DataFrame, colours: np.ndarray) -> dict[str, np.ndarray]:
    said = products.get("base_colour")
    parts = [
        name_colours(None if said is None else said.iloc[at : at + CHUNK], colours[at : at + CHUNK])
        for at in range(0, max(len(products), 1), CHUNK)
    ]
    named = pd.concat(parts, ignore_index=True)
    return {name: named[name].to_numpy(object) for name in ("colour", "looks")}


def _texts(products: pd.DataFrame, ids: np.ndarray, starts: np.ndarray) -> pa.Array:
    """Returns what is searched of each group, see `_searchable`."""
    line = pa.scalar("\n", pa.large_string())

    def joined(*columns: object) -> pa.Array:
        texts = [pa.array(one, pa.large_string(), from_pandas=True) for one in columns]
        return pc.binary_join_element_wise(
            *texts, line, null_handling="replace", null_replacement=""
        )

    each = joined(*(products[one].astype(object) for one in SEARCHED))
    members = pc.binary_join(pa.LargeListArray.from_arrays(pa.array(starts), each), line)
    first = products.iloc[starts[:-1]]
    texts = joined(ids, first["brand"], first["article_type"], members).to_pylist()
    return pa.array(map(_searchable, texts), pa.large_string())


def _searchable(text: str) -> str:
    """Returns a text as it is compared: without case, and in one Unicode form."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()
