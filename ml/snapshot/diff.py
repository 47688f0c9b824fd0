"""What changed between two snapshots: products and pairs added, removed and changed."""

from dataclasses import asdict, dataclass, field
from typing import Any

import pandas as pd

PICTURE = {"sha256": "picture"}  # column → what people call it


@dataclass(frozen=True)
class TableDiff:
    """What changed in a table.

    Attributes:
        added, removed: keys of the rows that only the later or the earlier table has.
        changed: key → the columns whose value is another one; "picture" for other bytes.
    """

    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[str]] = field(default_factory=dict)

    def counts(self) -> dict[str, int]:
        """Returns the number of rows that were added, removed and changed."""
        return {name: len(rows) for name, rows in vars(self).items()}


@dataclass(frozen=True)
class SnapshotDiff:
    """What changed between two snapshots.

    Attributes:
        products: by product_id; "pictures" is a changed column if further pictures changed.
        pairs: by both ids, the smaller first, with a blank between; the order in a pair is no
            change.
    """

    products: TableDiff
    pairs: TableDiff

    def to_json(self) -> dict[str, Any]:
        """Returns a value for JSON: counts first, then the rows."""
        rows = asdict(self)
        return {
            table: {"counts": getattr(self, table).counts(), **rows[table]}
            for table in ("products", "pairs")
        }


Tables = dict[str, pd.DataFrame | None]  # "catalog", "pairs", "pictures" of a snapshot


def diff_snapshots(before: Tables, after: Tables) -> SnapshotDiff:
    """Compares the tables of two snapshots.

    Args:
        before, after: "catalog", and "pairs" and "pictures" or None, as the import writes them.
    """
    products = [_products(tables) for tables in (before, after)]
    pairs = [_pairs(tables.get("pairs")) for tables in (before, after)]
    return SnapshotDiff(diff_tables(*products), diff_tables(*pairs))


def diff_tables(before: pd.DataFrame, after: pd.DataFrame) -> TableDiff:
    """Compares two tables by their index of texts; rows with one key are told apart by their order.

    A column that only one table has is changed in the rows where it holds a value.
    """
    before, after = _unique(before), _unique(after)
    common = before.index.intersection(after.index, sort=False)
    first, second = before.loc[common], after.loc[common]
    changed: dict[str, list[str]] = {}
    for column in dict.fromkeys([*before.columns, *after.columns]):
        nothing = pd.Series(None, index=common, dtype=object)
        old, new = (table.get(column, nothing).astype(object) for table in (first, second))
        differs = ~((old == new).fillna(False).astype(bool) | (old.isna() & new.isna()))
        for key in common[differs.to_numpy()]:
            changed.setdefault(key, []).append(PICTURE.get(column, column))
    return TableDiff(
        added=sorted(after.index.difference(common)),
        removed=sorted(before.index.difference(common)),
        changed=dict(sorted(changed.items())),
    )


def _products(tables: Tables) -> pd.DataFrame:
    catalog, pictures = tables["catalog"], tables.get("pictures")
    assert catalog is not None
    table = catalog.set_index("product_id")
    if pictures is not None:
        columns = [one for one in pictures.columns if one not in ("product_id", "image")]
        rows = [repr(row) for row in pictures[columns].itertuples(index=False, name=None)]
        further = pd.Series(rows, index=pictures.index, dtype=object)
        further = further.groupby(pictures["product_id"]).agg(" ".join)
        table = table.assign(pictures=further.reindex(table.index).to_numpy())
    return table


def _pairs(pairs: pd.DataFrame | None) -> pd.DataFrame:
    if pairs is None:
        return pd.DataFrame(index=pd.Index([], dtype=object))
    ends = pairs[["left", "right"]].fillna("")
    low, high = ends.min(axis=1), ends.max(axis=1)
    return pairs.drop(columns=["left", "right"]).set_index(low + " " + high)


def _unique(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose index is unique: the second row of a key is KEY (2)."""
    keys = pd.Series(table.index, dtype=object).fillna("").astype(str)
    while not keys.is_unique:  # a shop may have an id of this form too
        turn = keys.groupby(keys).cumcount()
        keys = keys + turn.map(lambda number: f" ({number + 1})" if number else "")
    return table.set_axis(pd.Index(keys, dtype=object))
