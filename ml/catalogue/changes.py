"""What is different from one version of a grouping to the next, change by change, with reasons."""

import numpy as np
import pandas as pd

NEW, JOINED, LEFT = "new", "joined", "left"
MERGED, SPLIT, RETIRED = "merged", "split", "retired"
COLUMNS = ["change", "group", "other", "product_id", "reason"]
GONE = "not in the catalogue any more"


def changes(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Lists the changes.

    A product that is concerned by the merge or split of its whole group is not listed again.

    Args:
        before: product_id, group; of the version before.
        after: product_id, group, and reason: what may change the product's group.

    Returns:
        change, group, other, product_id and reason (texts, "" where there is none), sorted:
        new: `group` is opened, and no earlier group is split for it.
        joined: `product_id` came to `group`, from `other` or as a new product.
        left: `product_id` is no longer in `group`; it is in `other` or gone.
        merged: the id `other` is retired; most of its members are in `group`.
        split: `group` is opened for members of `other`.
        retired: the id `group` has no product any more.
    """
    both = before.merge(after, on="product_id", how="outer", suffixes=("_before", "_after"))
    old, new = both["group_before"], both["group_after"]
    opened = ~new.isin(set(before["group"])) & new.notna()
    closed = ~old.isin(set(after["group"])) & old.notna()
    moved = both[(old != new) & (old.notna() | new.notna())].assign(
        opened=opened, closed=closed, reason=both["reason"].fillna(GONE)
    )
    successor = _most(moved[moved["closed"]], "group_before", "group_after")
    origin = _most(moved[moved["opened"]], "group_after", "group_before")
    tables = []
    for change, pairs in (
        (MERGED, successor.dropna()),
        (RETIRED, successor[successor.isna()]),
        (SPLIT, origin.dropna()),
        (NEW, origin[origin.isna()]),
    ):
        by = "group_before" if change in (MERGED, RETIRED) else "group_after"
        why = moved.drop_duplicates(by).set_index(by)["reason"]
        named = pairs.index.to_numpy(dtype=object)
        partner = pairs.to_numpy(dtype=object)
        tables.append(
            pd.DataFrame(
                {
                    "change": change,
                    "group": partner if change == MERGED else named,
                    "other": named if change == MERGED else partner,
                    "product_id": None,
                    "reason": why.reindex(named).to_numpy(dtype=object),
                }
            )
        )
    merges = moved["closed"] & (moved["group_before"].map(successor) == moved["group_after"])
    splits = moved["opened"] & (moved["group_after"].map(origin) == moved["group_before"])
    told = merges | splits
    # All products of a group without an origin are new, and all of one without a successor gone.
    first = moved["opened"] & moved["group_after"].map(origin).isna()
    last = moved["closed"] & moved["group_before"].map(successor).isna()
    here, there = moved["group_before"].notna(), moved["group_after"].notna()
    joined = moved[there & ~told & ~first]
    left = moved[here & ~told & ~last & ~(moved["closed"] & there)]
    for change, rows, of, to in (
        (JOINED, joined, "group_after", "group_before"),
        (LEFT, left, "group_before", "group_after"),
    ):
        told_each = rows.assign(change=change, group=rows[of], other=rows[to])
        tables.append(told_each[COLUMNS])
    table = pd.concat(tables, ignore_index=True).astype(object)
    table = table.where(table.notna(), "")
    return table.sort_values(COLUMNS, kind="stable", ignore_index=True)


def retirements(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Returns the ids that are retired, and where most of their products went.

    Args:
        before, after: product_id, group.

    Returns:
        group and successor (None: none of its products is there any more), sorted.
    """
    both = before.merge(after, on="product_id", how="left", suffixes=("_before", "_after"))
    gone = both[~both["group_before"].isin(set(after["group"]))]
    found = _most(gone, "group_before", "group_after")
    return pd.DataFrame(
        {"group": found.index.to_numpy(dtype=object), "successor": found.to_numpy(dtype=object)}
    )


def _most(rows: pd.DataFrame, of: str, to: str) -> pd.Series:
    """Returns for each value of `of` the most frequent value of `to`; None if it has none."""
    counted = rows.dropna(subset=[to]).groupby([of, to]).size().reset_index(name="products")
    counted = counted.sort_values(["products", to], ascending=[False, True], kind="stable")
    most = counted.drop_duplicates(of).set_index(of)[to]
    return most.reindex(pd.Index(np.unique(rows[of].to_numpy(dtype=object)), dtype=object))
