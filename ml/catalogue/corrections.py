"""Corrections: what people said about pairs of products, in the order in which they said it.

A word is that both are the same design, that they are different ones, or that what was said of them
is withdrawn.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pandas as pd

from ml.core.errors import UserError

CORRECTION_COLUMNS = ("left", "right", "same", "by", "when", "why")
WITHDRAWN = "withdrawn"  # in the column same; missing (pd.NA) in tables
SAME: dict[str, object] = {
    WITHDRAWN: pd.NA,
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "same"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "different"), False),
}


def no_corrections() -> pd.DataFrame:
    """Returns an empty table of corrections."""
    return pd.DataFrame(columns=list(CORRECTION_COLUMNS)).astype({"same": "boolean"})


def check_corrections(table: pd.DataFrame, name: str, by: str = "") -> pd.DataFrame:
    """Checks a table of corrections.

    Args:
        table: left, right, same, and optionally by, when and why: texts, and None for missing
            values. Its index is named "line" or "row".
        name: of the file, for messages.
        by: the person and the time of rows that name none: this person, now. Without a person such
            rows are refused.

    Returns:
        The columns `CORRECTION_COLUMNS`: same is boolean and missing where a word is withdrawn,
        when is ISO 8601 in UTC, why may be "", and the rows are in their order.

    Raises:
        UserError: a column or a value is missing, a value is none, or both products are one; the
            message names the row.
    """
    lacking = [one for one in CORRECTION_COLUMNS[:3] if one not in table]
    if lacking:
        raise UserError(
            f"{name} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}: a "
            f"table of corrections has {', '.join(CORRECTION_COLUMNS)} (docs/how-to-corrections.md)"
        )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    rows = []
    for place, row in zip(table.index, table.to_dict("records"), strict=True):
        where = f"{name}, {table.index.name or 'row'} {place}"
        left, right = row["left"], row["right"]
        if left is None or right is None:
            raise UserError(f"{where}: left and right must each name a product: fill them in")
        if left == right:
            raise UserError(f"{where}: '{left}' is paired with itself: leave the row out")
        same = SAME.get(str(row["same"]).casefold())
        if same is None:
            raise UserError(
                f"{where}, column same: '{row['same'] or ''}' is neither: write 1 for the same "
                f"design in another colour, 0 for another design, {WITHDRAWN} to take back what "
                "was said"
            )
        person, when = row.get("by") or by, row.get("when") or (now if by else None)
        if not person or not when:
            raise UserError(f"{where}: by and when must be filled in: who said it, and when")
        rows.append((left, right, same, person, in_utc(when, where), row.get("why") or ""))
    found = pd.DataFrame(rows, columns=list(CORRECTION_COLUMNS), dtype=object)
    return found.astype({"same": "boolean"})


def in_utc(when: str, where: str) -> str:
    """Returns a time as ISO 8601 in UTC, to the second; one without a zone is in UTC already.

    Raises:
        UserError: the text is no such time, or the time is yet to come; it begins with `where`.
    """
    try:
        time = datetime.fromisoformat(when)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise UserError(
            f"{where}, column when: '{when}' is no time in ISO 8601: write it as "
            "2026-11-02T09:30:00+00:00 or 2026-11-02"
        ) from error
    if (time - datetime.now(UTC)).total_seconds() > 3600:  # clocks differ a little
        raise UserError(
            f"{where}, column when: {when} is yet to come, and would count more than all that is "
            "said until then: correct it"
        )
    return time.isoformat(timespec="seconds")


def standing(table: pd.DataFrame) -> pd.DataFrame:
    """Returns the newest word about each pair, the oldest of them first.

    Of two words of one second the later row counts. The older words are history, and so is a pair
    whose newest word is that it is withdrawn. In what stands, same is bool.

    Args:
        table: left, right, same and when, as of `check_corrections`.
    """
    ordered = table.sort_values("when", kind="stable")
    ends = np.sort(ordered[["left", "right"]].to_numpy(str), axis=1)
    repeated = pd.DataFrame(ends).duplicated(keep="last").to_numpy(bool)
    newest = ordered[~repeated]
    return newest[newest["same"].notna()].astype({"same": bool}).reset_index(drop=True)


def states(
    newest: pd.DataFrame, product_ids: pd.Index, group: np.ndarray, block: np.ndarray
) -> np.ndarray:
    """Returns what became of each correction in a version of the groups.

    Args:
        newest: of `standing`.
        product_ids: of the version's products.
        group, block: (products,), of each product.

    Returns:
        object (corrections,): "holds"; "waits" for the next grouping; "gone": a product left the
        catalogue; "apart": it joins products of two blocks, which are never compared.
    """
    left, right = (product_ids.get_indexer(pd.Index(newest[side])) for side in ("left", "right"))
    same = newest["same"].to_numpy(bool)
    if not len(product_ids):
        return np.full(len(same), "gone", dtype=object)
    gone = (left < 0) | (right < 0)
    apart = same & (block[left] != block[right])
    holds = (group[left] == group[right]) == same
    return np.select([gone, apart, holds], ["gone", "apart", "holds"], "waits").astype(object)


def said_by(row: pd.Series) -> str:
    """Returns who said a correction and on which day: "Ada, 2026-11-02"."""
    return f"{row['by']}, {row['when'][:10]}"


def unknown_products(table: pd.DataFrame, known: Sequence[str]) -> list[str]:
    """Returns the products that corrections name and a catalogue has not, in order, each once."""
    named = pd.unique(table[["left", "right"]].to_numpy(object).ravel())
    there = set(known)
    return [str(one) for one in named if one not in there]
