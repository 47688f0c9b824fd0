"""Reads tables that people's tools write, as text: dialects of CSV, and Parquet of any tool.

A value that the file holds is either read as it is or refused with its place; none is guessed.
"""

import csv
import io
import json
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ml.core.errors import UserError

# The byte order marks; that of UTF-32 begins like that of UTF-16, so it is looked for first.
MARKS = {
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
DELIMITERS = ",;\t|"
LARGEST_VALUE = 2**20  # characters; a longer one is mostly a quote that is never closed
EXACT = 2**53  # a decimal number (float64) holds whole numbers below this exactly
PANDAS_INDEX = re.compile(r"__index_level_\d+__")  # row numbers that pandas adds to Parquet


def read_csv(
    content: bytes,
    name: str,
    *,
    encoding: str | None = None,
    delimiter: str | None = None,
    surplus: str | None = None,
) -> pd.DataFrame:
    """Reads a CSV table.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
        encoding: of the file; by default UTF-8, or what its byte order mark says.
        delimiter: one character; by default the one of `DELIMITERS` that gives the header the most
            columns.
        surplus: "last" joins the surplus values of a row to its last column, with their
            delimiters; by default such a row is refused.

    Returns:
        All columns as text, and None for empty values. The index, "line", holds the line of the
        file (from 1) at which each row begins.

    Raises:
        UserError: the file is not in this encoding, the table has no header, a row has another
            number of values than the header, a quote is wrong, or two columns have one name. The
            message gives the line.
    """
    text = _decode(content, name, encoding)
    first, _, rest = text.partition("\n")
    skipped = 0
    if delimiter is None and (stated := re.fullmatch(r"sep=(.)", first)):
        delimiter, text, skipped = stated[1], rest, 1  # Excel's own line; it is no header
    header, lines, rows = _records(text, name, delimiter or _delimiter(text), surplus, skipped)
    named = [place for place, column in enumerate(header) if column]
    for place in set(range(len(header))) - set(named):
        for line, row in zip(lines, rows, strict=True):
            if row[place]:
                raise UserError(
                    f"{name}, line {line}: column {place + 1} holds '{_short(row[place])}', but "
                    "the header gives this column no name"
                )
    columns = [header[place] for place in named]
    _refuse_twins(columns, name)
    table = {header[place]: [row[place] or None for row in rows] for place in named}
    return pd.DataFrame(table, index=pd.Index(lines, name="line"), dtype=object)


def read_parquet(content: bytes, name: str, keys: Sequence[str] = ()) -> pd.DataFrame:
    """Reads a Parquet table of any tool.

    Whole numbers stay whole, also where a tool stored them as decimals because values are missing.

    Args:
        content: the bytes of the file.
        name: of the file, for messages.
        keys: columns that identify products. Their decimals must be whole and exact.

    Returns:
        All columns as text, and None for missing or empty values: true and false for booleans, ISO
        8601 for times, JSON for nested values. The index, "row", counts from 1.

    Raises:
        UserError: the file is no Parquet, two columns have one name, a key is nested or an inexact
            decimal, or bytes are not UTF-8.
    """
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read()
        columns = [str(column) for column in table.column_names]
        _refuse_twins(columns, name)
        read = {
            column: _texts(table.column(place), f"{name}, column {column}", column in keys)
            for place, column in enumerate(columns)
            if not PANDAS_INDEX.fullmatch(column)
        }
    except (pa.ArrowException, OSError, ValueError) as error:
        raise UserError(f"{name} cannot be read as Parquet: {error}") from error
    rows = pd.RangeIndex(1, table.num_rows + 1, name="row")
    return pd.DataFrame(read, index=rows, dtype=object)


def _decode(content: bytes, name: str, encoding: str | None) -> str:
    """Decodes a text file and turns every kind of line end into a line feed."""
    marked = next((known for mark, known in MARKS.items() if content.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    try:
        text = content.decode(chosen)
    except LookupError as error:
        raise UserError(f"{name}: there is no encoding '{chosen}': name one such as cp1252") from (
            error
        )
    except UnicodeError as error:
        start = getattr(error, "start", 0)
        line = content.count(b"\n", 0, start) + 1
        column = start - (content.rfind(b"\n", 0, start) + 1) + 1
        raise UserError(
            f"{name}, line {line}, byte {column}: this is not {chosen.upper()}; save the file as "
            "“CSV UTF-8”, or state its encoding in a file shop.yaml beside it, such as "
            "`encoding: cp1252` for Excel on Windows (docs/data-format.md)"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(
            f"{name}, line {line}: the text holds NUL characters; if the file is in UTF-16, write "
            "`encoding: utf-16-le` into a file shop.yaml beside it (docs/data-format.md)"
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _delimiter(text: str) -> str:
    """Returns the delimiter that gives the header the most columns; a comma if none does."""
    header = text.lstrip("\n").partition("\n")[0]
    counts = {one: len(next(csv.reader([header], delimiter=one), [])) for one in DELIMITERS}
    return max(DELIMITERS, key=lambda one: counts[one])


def _records(
    text: str, name: str, delimiter: str, surplus: str | None, skipped: int
) -> tuple[list[str], list[int], list[list[str]]]:
    """Returns the header, and the first line and the values of every row that is not blank."""
    csv.field_size_limit(LARGEST_VALUE)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    header: list[str] = []
    lines: list[int] = []
    rows: list[list[str]] = []
    while True:
        line = reader.line_num + 1 + skipped
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            raise UserError(
                f"{name}, line {line}: {error}; put a value that holds a quote or a line end into "
                'quotes, and write a quote inside it twice: "5"" heel"'
            ) from error
        if header and len(row) > len(header) and surplus == "last":
            kept = len(header) - 1
            row = [*row[:kept], delimiter.join(row[kept:])]
        row = [value.strip() for value in row]
        if not any(row):
            continue
        if not header:
            header = row
            continue
        if len(row) != len(header):
            raise UserError(
                f"{name}, line {line}: it has {len(row)} values, but the header names "
                f"{len(header)} columns; put a value that holds the delimiter "
                f"'{delimiter}' into quotes"
            )
        lines.append(line)
        rows.append(row)
    if not header:
        raise UserError(f"{name} is empty: it needs a header line with the names of the columns")
    return header, lines, rows


def _refuse_twins(columns: Sequence[str], name: str) -> None:
    twins = sorted({column for column in columns if columns.count(column) > 1})
    if twins:
        raise UserError(f"{name} has two columns named '{twins[0]}': rename or remove one of them")


def _texts(column: pa.ChunkedArray, where: str, key: bool) -> list[str | None]:
    """Returns the values of an Arrow column as text, and None for missing or empty ones."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    kind = column.type
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return _numbers(column, where, key)
    if pa.types.is_boolean(kind):
        return [None if one is None else str(one).lower() for one in column.to_pylist()]
    if pa.types.is_nested(kind):
        if key:
            raise UserError(f"{where}: it holds lists or records, not ids: write ids as text")
        return [
            None if one is None else json.dumps(one, ensure_ascii=False, default=str)
            for one in column.to_pylist()
        ]
    if pa.types.is_temporal(kind) and not pa.types.is_duration(kind):
        try:
            column = pc.cast(column, pa.string())
        except pa.ArrowException:  # such as a time zone that this machine does not know
            return [None if one is None else str(one) for one in column.to_pylist()]
    try:
        values = column.to_pylist()
        texts = [one.decode() if isinstance(one, bytes) else one for one in values]
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: it holds bytes that are not UTF-8: write it as text") from error
    return [None if one is None or not (text := str(one).strip()) else text for one in texts]


def _numbers(column: pa.ChunkedArray, where: str, key: bool) -> list[str | None]:
    """Returns decimals as text; if all of them are whole, as whole numbers."""
    floats = column.to_pandas().to_numpy(dtype=object if pa.types.is_decimal(column.type) else None)
    missing = pd.isna(floats)
    present = floats[~missing]
    whole = all(np.isfinite(float(one)) and one == int(one) for one in present)
    if key and not whole:
        broken = next(one for one in present if not np.isfinite(float(one)) or one != int(one))
        raise UserError(f"{where}: '{broken}' is a decimal number, not an id: write ids as text")
    inexact = pa.types.is_floating(column.type) and any(abs(one) >= EXACT for one in present)
    if key and inexact:
        raise UserError(
            f"{where}: it holds ids as decimals of more than 15 digits, of which the last may be "
            "lost: write ids as text"
        )
    return [
        None if gone else str(int(one)) if whole else str(one)
        for one, gone in zip(floats, missing, strict=True)
    ]


def _short(value: str) -> str:
    return value if len(value) <= 40 else f"{value[:40]}…"
