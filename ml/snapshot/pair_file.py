"""Reads a table of pairs that a person names in a command."""

from pathlib import Path

import pandas as pd

from ml.core.errors import UserError
from ml.core.reasons import reason
from ml.core.spreadsheet import FORMULA
from ml.snapshot.folding import fold_table
from ml.snapshot.tables import read_csv, read_parquet


def read_file(file: Path) -> bytes:
    """Reads a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"the file '{file}' cannot be read: {reason(error)}") from error


def read_pair_file(file: Path) -> pd.DataFrame:
    """Reads CSV or Parquet: texts, folded, and None for missing values.

    Args:
        file: with the columns left and right, which may be numbers in Parquet.

    Returns:
        All columns; the index is named "line" or "row". In CSV an apostrophe that keeps a
        spreadsheet from running a text is not part of it.

    Raises:
        UserError: the file cannot be read, or is no such table.
    """
    content = read_file(file)
    if file.suffix == ".parquet":
        table = read_parquet(content, file.name, ("left", "right"))
    else:
        table = read_csv(content, file.name)
        for column in table:
            table[column] = pd.Series(map(_as_written, table[column]), table.index, dtype=object)
    return fold_table(table, file.name, lambda line: None)


def _as_written(text: str | None) -> str | None:
    """Returns a text without the apostrophe of `ml.core.spreadsheet.write_csv`."""
    guarded = text is not None and text[:1] == "'" and text.lstrip("'").startswith(FORMULA)
    return text[1:] if text is not None and guarded else text
