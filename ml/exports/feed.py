"""Supplemental feeds of Google Merchant Center and Meta: id and item_group_id.

Rules: https://support.google.com/merchants/answer/6324507 (item_group_id: 1 to 50 characters, only
of variants, unique whatever the case) and /answer/6324405 (id: 1 to 50 characters); Meta's catalogs
have the fields under the same names.
"""

from pathlib import Path

import pandas as pd

from ml.exports.rows import fitting, spreadsheet_fault

LONGEST = 50  # characters of an id


def google(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes a TSV; returns product_id and reason of what is left out."""
    return _feed(rows, path, "\t")


def meta(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes a CSV; returns product_id and reason of what is left out."""
    return _feed(rows, path, ",")


def _feed(rows: pd.DataFrame, path: Path, separator: str) -> pd.DataFrame:
    held, left_out = fitting(rows, _fault)
    feed = held[["product_id", "group"]]
    feed.columns = pd.Index(["id", "item_group_id"])
    feed.to_csv(path, sep=separator, index=False, lineterminator="\n")
    return left_out


def _fault(product_id: str) -> str | None:
    if len(product_id) > LONGEST:
        return f"its id has more than {LONGEST} characters"
    return spreadsheet_fault(product_id)
