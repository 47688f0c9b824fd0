"""Files that are whole or absent: written beside their place, then renamed."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a path beside `path`; what the caller writes there (file or folder) takes its place on success only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    remove(beside)
    try:
        yield beside
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        beside.replace(path)
    finally:
        remove(beside)


def remove_parts(path: Path) -> None:
    """Removes what writers of `path` that died left beside it; only where a lock keeps living ones away (see `replacing`)."""
    for part in path.parent.glob(f".{path.name}.*.part*"):
        remove(part)


def reserve(path: Path) -> None:
    """Takes the room that a sparse file will need: writing to its memory map on a full disk would kill the process.

    Raises:
        OSError: there is no room.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def remove(path: Path) -> None:
    """Removes a file, a link or a whole folder; silent where there is none."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """JSON with stable layout (two spaces, keys as given, newline at the end); NaN is refused: ValueError."""
    with replacing(path) as beside:
        beside.write_text(
            json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )


def read_json(path: Path) -> Any:
    """The parsed content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Parquet without pandas metadata, so that equal tables are equal bytes."""
    with replacing(path) as beside:
        arrow = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
        pq.write_table(arrow, beside, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet table as a frame; text columns are plain `str` with None for missing."""
    return pd.read_parquet(path)
