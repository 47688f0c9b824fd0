"""Locks: groups that keep exactly their members until they are unlocked.

A lock holds the members itself, one a row, so that it means the same whatever becomes of the
version in which the group was locked. An unlock is rows, too; the newest word about each product
counts. Locks are a table beside the corrections: a correction is about a pair, and both are taken
back in different ways.
"""

import pandas as pd

from ml.catalogue.corrections import in_utc
from ml.core.errors import UserError

LOCK_COLUMNS = ("group", "product_id", "locked", "by", "when", "why")


def no_locks() -> pd.DataFrame:
    """Returns an empty table of locks."""
    return pd.DataFrame(columns=list(LOCK_COLUMNS)).astype({"locked": bool})


def check_locks(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Checks a table of locks: texts in the columns `LOCK_COLUMNS`, and locked as 1 or 0.

    Raises:
        UserError: a column or value is missing or wrong; the message names the row.
    """
    lacking = [one for one in LOCK_COLUMNS if one not in table]
    if lacking:
        raise UserError(f"{name} lacks {', '.join(lacking)}: put back what was there")
    rows = []
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        where = f"{name}, {table.index.name or 'row'} {place}"
        if row["locked"] not in ("0", "1") or not all(
            row[one] for one in ("group", "product_id", "by", "when")
        ):
            raise UserError(
                f"{where}: group, product_id, by, when and locked (1 or 0) must be filled in"
            )
        when = in_utc(row["when"], where)
        row |= {"locked": row["locked"] == "1", "when": when, "why": row["why"] or ""}
        rows.append([row[one] for one in LOCK_COLUMNS])
    found = pd.DataFrame(rows, columns=list(LOCK_COLUMNS), dtype=object)
    return found.astype({"locked": bool})


def standing_locks(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each product that is locked now; of one product the newest word counts."""
    newest = table.sort_values("when", kind="stable").drop_duplicates("product_id", keep="last")
    return newest[newest["locked"]].reset_index(drop=True)
