"""Writes files that are whole or absent: beside their place first, then renamed."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.core.errors import UserError
from ml.core.leftovers import mark, remove_leftovers


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Replaces a file or folder, on success only.

    What killed processes left in the folder of `path` is removed first (see `remove_leftovers`).

    Yields:
        A path beside `path`. The caller writes a file or folder there. If the block ends without an
        error, this replaces `path`; otherwise it is removed and `path` stays as it was.

    Raises:
        UserError: a folder would be replaced by a file, which nobody can have meant.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers_once(path.parent.resolve())
    beside = path.with_name(f".{path.name}.{mark()}.part")
    aside = path.with_name(f".{path.name}.{mark()}.old.part")
    remove(beside)
    try:
        yield beside
        if path.is_dir() and not path.is_symlink():
            if not beside.is_dir():
                raise UserError(f"'{path}' is a folder, which stays as it is: name a file")
            path.replace(aside)  # whoever is killed while it is removed has the new one in place
        beside.replace(path)
    finally:
        remove(beside)
        remove(aside)


@cache  # a folder may get many files, and would be searched for each of them
def _remove_leftovers_once(folder: Path) -> None:
    remove_leftovers(folder)


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder, if it exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Writes JSON in a stable layout: two spaces, keys in the given order, a newline at the end.

    Raises:
        ValueError: the content holds NaN or an infinity.
    """
    with replacing(path) as beside:
        beside.write_text(
            json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )


def read_json(path: Path) -> Any:
    """Reads a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Writes Parquet without pandas metadata, so that equal tables give equal bytes."""
    with replacing(path) as beside:
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(arrow, beside, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """Reads a Parquet table; text columns hold plain `str`, and NaN for missing values."""
    return pq.ParquetFile(path).read().to_pandas()
