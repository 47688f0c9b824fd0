"""The rows that an export takes from a table of groups, and those that it leaves out."""

from collections.abc import Callable

import pandas as pd

from ml.core.spreadsheet import FORMULA

Fault = Callable[[str], str | None]  # of an id: why the format cannot hold it, or None


def rows_of(groups: pd.DataFrame, bands: tuple[str, ...]) -> pd.DataFrame:
    """Returns the products in groups of two or more of these bands, the representative first.

    Args:
        groups: product_id, group, band, representative (bool), and any others.
    """
    # A product whose picture broke may have no band of its own: it goes where its group does.
    rows = groups[groups["group"].isin(groups.loc[groups["band"].isin(bands), "group"])]
    return _several(rows).sort_values(
        ["group", "representative", "product_id"], ascending=[True, False, True], kind="stable"
    )


def fitting(rows: pd.DataFrame, fault: Fault) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Splits rows into those that a format can hold and the others.

    Returns:
        The rows in groups that still have two or more; and product_id with reason of the others.
    """
    reasons = rows["product_id"].map(fault)
    held = _several(rows[reasons.isna()])
    out = rows.loc[~rows.index.isin(held.index), ["product_id"]]
    alone = "its group has no other product that the format can hold"
    return held, out.assign(reason=reasons.reindex(out.index).fillna(alone))


def column(rows: pd.DataFrame, name: str) -> pd.Series:
    """Returns a column of texts; an empty text stands for a missing value or column."""
    if name not in rows:
        return pd.Series("", index=rows.index)
    return rows[name].map(lambda one: "" if pd.isna(one) else str(one))


def spreadsheet_fault(product_id: str) -> str | None:
    """Says why a table of ids that people open cannot hold an id, or returns None."""
    if product_id.startswith(FORMULA):
        return "a spreadsheet would run its id as a formula"
    if not product_id.isprintable() or product_id != product_id.strip():
        return "its id has spaces around it or invisible characters"
    return None


def _several(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows.groupby("group")["product_id"].transform("size") >= 2]
