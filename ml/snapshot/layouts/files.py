"""Reads the files of a layout within bounds: no links, no archives that unpack without end."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from ml.core.errors import UserError
from ml.core.reasons import reason
from ml.snapshot.description import read_description
from ml.snapshot.shop_paths import refuse_links
from ml.snapshot.tables import read_csv

LARGEST = 2**30  # bytes of one file, unpacked
LONGEST_LINE = 2**24  # bytes


def find_file(root: Path, *names: str) -> Path:
    """Returns the first of some files that there is below a folder.

    Raises:
        UserError: there is none of them, or it is or passes through a symbolic link.
    """
    for name in names:
        path = root / name
        if path.is_file():
            refuse_links(root, path, str(root))
            return path
    raise UserError(
        f"'{root}' has no {' or '.join(names)}: give the folder that holds it, or name another "
        "layout (`variants import --help` lists them)"
    )


def find_files(root: Path, pattern: str, *endings: str) -> list[Path]:
    """Returns the files of a pattern such as "listings_*", sorted; a file stands for itself.

    Raises:
        UserError: there is none, or one is or passes through a symbolic link.
    """
    if root.is_file():
        return [root]
    named = [f"{pattern}{ending}" for ending in endings]
    files = sorted(path for name in named for path in root.glob(name) if path.is_file())
    if not files:
        raise UserError(
            f"'{root}' has no file {' or '.join(named)}: give the folder that holds it, or name "
            "another layout (`variants import --help` lists them)"
        )
    for path in files:
        refuse_links(root, path, str(root))
    return files


def read_file(path: Path) -> bytes:
    """Reads a file of at most `LARGEST` bytes; one that ends in .gz is unpacked.

    Raises:
        UserError: it is larger, cannot be read, or is no archive.
    """
    try:
        with _open(path) as file:
            content = file.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"'{path}' cannot be read: {reason(error)}") from error
    if len(content) > LARGEST:
        raise UserError(f"'{path}' has more than {LARGEST:,} bytes: is it the right file?")
    return content


def read_lines(path: Path) -> Iterator[bytes]:
    """Reads the lines of a file that has at most `LARGEST` bytes; see `read_file`.

    Raises:
        UserError: as of `read_file`, or a line has more than `LONGEST_LINE` bytes.
    """
    size = 0
    try:
        with _open(path) as file:
            while line := file.readline(LONGEST_LINE + 1):
                size += len(line)
                if len(line) > LONGEST_LINE or size > LARGEST:
                    raise UserError(
                        f"'{path}' has more than {LARGEST:,} bytes, or a line of more than "
                        f"{LONGEST_LINE:,}: is it the right file?"
                    )
                yield line
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"'{path}' cannot be read: {reason(error)}") from error


def read_table(
    path: Path,
    columns: tuple[str, ...],
    *,
    delimiter: str | None = None,
    surplus: str | None = None,
) -> pd.DataFrame:
    """Reads a CSV file as text, and None for empty values; see `read_csv`.

    A file shop.yaml beside it may state its encoding and delimiter, as beside a catalogue.

    Args:
        path: the file.
        columns: those that the table must have.
        delimiter, surplus: as of `read_csv`.

    Raises:
        UserError: as of `read_file`, `read_description` and `read_csv`, or a column is missing.
    """
    beside = path.with_name("shop.yaml")
    refuse_links(path.parent, beside, str(path.parent))
    how = read_description(read_file(beside) if beside.is_file() else None, str(path.parent))
    table = read_csv(
        read_file(path),
        path.name,
        encoding=how.encoding,
        delimiter=how.delimiter or delimiter,
        surplus=surplus,
    )
    need_columns(table, columns, path)
    return table


def need_columns(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    """Raises UserError if a table lacks a column."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise UserError(
            f"'{path}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; it "
            f"has {', '.join(table.columns)}"
        )


def _open(path: Path) -> gzip.GzipFile:
    # A stream of the same interface, packed or not.
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]
