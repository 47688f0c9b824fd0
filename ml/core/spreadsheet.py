"""Tables for spreadsheets, in which no text is a formula."""

from pathlib import Path

import pandas as pd

from ml.core.files import replacing

FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a text begins that a spreadsheet runs


def write_csv(path: Path, table: pd.DataFrame) -> None:
    """Writes CSV; a text that a spreadsheet would run, such as "=1+1", gets an apostrophe first."""
    with replacing(path) as beside:
        table.apply(_inert).to_csv(
            beside, index=False, float_format="%.6f", lineterminator="\n", encoding="utf-8"
        )


def _inert(column: pd.Series) -> pd.Series:
    run = column.map(lambda one: isinstance(one, str) and one.lstrip("'").startswith(FORMULA))
    return column.mask(run, "'" + column.astype(str))
