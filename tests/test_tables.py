"""Tables that any tool writes are read as they are, or refused with line and column."""

import csv
import io
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml.core.errors import UserError
from ml.snapshot.folding import fold, fold_table
from ml.snapshot.tables import DELIMITERS, read_csv, read_parquet

# What a cell may hold: no surrogates, which no file can hold, and no NUL, which is refused.
CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
LATIN = st.text(st.characters(codec="cp1252", exclude_characters="\0"), max_size=20)
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-32"]


def rows_of(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[str]]]:
    """Rows of three cells, of which the first is never blank: a blank row would be left out."""
    first = cells.filter(lambda cell: bool(cell.strip()))
    return st.lists(st.tuples(first, cells, cells).map(list), max_size=6)


def as_csv(rows: list[list[str]], delimiter: str = ",", **how: object) -> str:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=delimiter, **how)  # type: ignore[arg-type]
    writer.writerows([["product_id", "image", "title, long"], *rows])
    return written.getvalue()


def wanted(cell: str) -> str | None:
    return cell.replace("\r\n", "\n").replace("\r", "\n").strip() or None


@given(
    rows=rows_of(CELLS),
    delimiter=st.sampled_from(DELIMITERS),
    encoding=st.sampled_from(ENCODINGS),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    ends=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_csv_of_any_dialect_and_unicode_encoding_is_read_as_it_was_written(
    rows: list[list[str]], delimiter: str, encoding: str, quoting: int, ends: str
) -> None:
    # Python's writer quotes the line end that it uses only; another one would end the row.
    safe = not any(end in cell for row in rows for cell in row for end in "\r\n")
    how = quoting if safe else csv.QUOTE_ALL
    text = as_csv(rows, delimiter, quoting=how, lineterminator=ends)
    table = read_csv(text.encode(encoding), "catalog.csv")
    assert list(table.columns) == ["product_id", "image", "title, long"]
    assert table.to_numpy().tolist() == [[wanted(cell) for cell in row] for row in rows]


@given(rows_of(LATIN))
def test_a_stated_encoding_is_the_way_in_for_files_of_windows(rows: list[list[str]]) -> None:
    content = as_csv(rows, quoting=csv.QUOTE_ALL).encode("cp1252")
    table = read_csv(content, "catalog.csv", encoding="cp1252")
    assert table.to_numpy().tolist() == [[wanted(cell) for cell in row] for row in rows]


@given(CELLS, CELLS)
def test_values_that_look_alike_are_folded_into_one(before: str, after: str) -> None:
    folded = fold(f"{before} {after}")
    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)
    for space in ("\u00a0", "\u2003", "\t", "\n", "  ", "\u200b \ufeff"):
        assert fold(f"{before}{space}{after}") == folded
    assert fold(unicodedata.normalize("NFD", f"{before} {after}")) == folded


def test_folding_is_told_with_line_and_column_and_leaves_paths_alone() -> None:
    content = "brand,image\nNike,a  b.jpg\nNike\u00a0Air,c.jpg\n".encode()
    said: list[str] = []
    table = fold_table(read_csv(content, "catalog.csv"), "catalog.csv", said.append, ("image",))
    assert table["brand"].tolist() == ["Nike", "Nike Air"]
    assert table["image"].tolist() == ["a  b.jpg", "c.jpg"]
    (warning,) = said
    assert "column brand" in warning
    assert "line 3" in warning
    assert r"'Nike\xa0Air'" in warning


TEXTS: dict[str, Callable[[list[str | None]], pa.Array]] = {
    "string": lambda values: pa.array(values, pa.string()),
    "large string": lambda values: pa.array(values, pa.large_string()),
    "string view": lambda values: pa.array(values, pa.string_view()),
    "dictionary": lambda values: pa.array(values, pa.string()).dictionary_encode(),
    "binary": lambda values: pa.array([v and v.encode() for v in values], pa.binary()),
    "pandas categories": lambda values: pa.array(pd.Series(values, dtype="category")),
}


@given(values=st.lists(st.none() | CELLS, max_size=6), kind=st.sampled_from(sorted(TEXTS)))
def test_text_in_every_type_of_parquet_is_the_same_text(
    values: list[str | None], kind: str
) -> None:
    table = read_parquet(parquet({"title": TEXTS[kind](values)}), "catalog.parquet")
    assert table["title"].tolist() == [(one or "").strip() or None for one in values]


WHOLE: dict[str, Callable[[list[int | None]], pa.Array]] = {
    "int64": lambda values: pa.array(values, pa.int64()),
    "decimals, as pandas stores them": lambda values: pa.array(values, pa.float64()),
    "decimal128, as Spark stores them": lambda values: pa.array(
        [None if one is None else Decimal(one) for one in values], pa.decimal128(38, 2)
    ),
}


@given(
    values=st.lists(st.none() | st.integers(-(2**53) + 1, 2**53 - 1), max_size=6),
    kind=st.sampled_from(sorted(WHOLE)),
)
def test_whole_numbers_stay_whole_in_every_type_of_parquet(
    values: list[int | None], kind: str
) -> None:
    content = parquet({"product_id": WHOLE[kind](values)})
    table = read_parquet(content, "catalog.parquet", ("product_id",))
    assert table["product_id"].tolist() == [None if one is None else str(one) for one in values]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array([1.5, 2]), "1.5"),
        (pa.array([float("inf")]), "inf"),
        (pa.array([2.0**60]), "last may be lost"),
        (pa.array([["a"], ["b"]]), "lists"),
        (pa.array([b"\xff"]), "not UTF-8"),
    ],
    ids=["fraction", "infinite", "inexact", "list", "bytes"],
)
def test_values_that_are_no_ids_are_refused_in_a_column_of_ids(
    values: pa.Array, words: str
) -> None:
    with pytest.raises(UserError, match="product_id") as caught:
        read_parquet(parquet({"product_id": values}), "catalog.parquet", ("product_id",))
    assert words in str(caught.value)


def test_times_booleans_and_nested_values_have_one_form_each() -> None:
    columns = {
        "day": pa.array([date(2026, 1, 2), None]),
        "time": pa.array([datetime(2026, 1, 2, 3, 4, tzinfo=UTC), None]),
        "old time of Spark": pa.array([datetime(2026, 1, 2, 3, 4), None], pa.timestamp("ns")),
        "sale": pa.array([True, False]),
        "price": pa.array([9.5, None], pa.float32()),
        "sizes": pa.array([["S", "M"], None]),
        "nothing": pa.nulls(2),
        "__index_level_0__": pa.array([7, 8]),
    }
    content = parquet(columns, use_deprecated_int96_timestamps=True)
    table = read_parquet(content, "catalog.parquet")
    assert table.iloc[0].to_dict() == {
        "day": "2026-01-02",
        "time": "2026-01-02 03:04:00.000000000",
        "old time of Spark": "2026-01-02 03:04:00.000000000",
        "sale": "true",
        "price": "9.5",
        "sizes": '["S", "M"]',
        "nothing": None,
    }
    assert table.iloc[1].tolist() == [None, None, None, "false", None, None, None]


def test_a_file_that_polars_wrote_holds_what_was_written() -> None:
    """tests/data/polars.parquet was written by polars 2.1: UInt32, Categorical, Enum, List …"""
    content = Path(__file__).with_name("data").joinpath("polars.parquet").read_bytes()
    table = read_parquet(content, "catalog.parquet")
    assert table["product_id"].tolist() == ["1000000", "1000001", None]
    assert table["brand"].tolist() == ["Nike", "Nike", None]
    assert table["gender"].tolist() == ["Men", "Women", "Men"]
    assert table["article_type"].tolist() == ["Tee", "Tee", None]
    assert table["price"].tolist() == ["10.5", None, "20.0"]
    assert table["rank"].tolist() == ["1", None, "3"]
    assert table["sizes"].tolist() == ['["S", "M"]', "[]", None]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"a,b\n1,2,3\n", "line 2: it has 3 values, but the header names 2 columns"),
        (b"a,b\n1,2\n3\n", "line 3: it has 1 values"),
        (b'a,b\n1,"2\n3,4\n', "line 2: unexpected end of data"),
        (b'a,b\n\n"x"y,2\n', "line 3: ',' expected"),
        (b"a,b\n1,\xe9\n", "line 2, byte 3: this is not UTF-8"),
        ("a,b\n1,2\n".encode("utf-16-le"), "line 1: the text holds NUL characters"),
        (b"\xff\xfea", "this is not UTF-16"),
        (b"", "is empty"),
        (b"\n , \n", "is empty"),
        (b"a,b,a\n1,2,3\n", "two columns named 'a'"),
        (b"a,b,\n1,2,3\n", "line 2: column 3 holds '3'"),
        (b'a,b\n1,"' + b"x" * 2**21 + b'"\n', "line 2: field larger than field limit"),
    ],
    ids=range(12),
)
def test_a_broken_csv_file_is_refused_with_the_line(content: bytes, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read_csv(content, "catalog.csv")
    assert words in str(caught.value)
    assert str(caught.value).startswith("catalog.csv")


def test_an_unknown_encoding_is_refused() -> None:
    for encoding in ("latin-17", "rot13", "hex"):
        with pytest.raises(UserError, match=f"no encoding '{encoding}'"):
            read_csv(b"a,b\n", "catalog.csv", encoding=encoding)


def test_lines_count_as_an_editor_counts_them() -> None:
    table = read_csv(b'sep=;\r\na;b\r\n1;"x\r\ny"\r\n\r\n2;z\r\n', "catalog.csv")
    assert table.index.tolist() == [3, 6]
    assert table["b"].tolist() == ["x\ny", "z"]


def test_surplus_values_join_the_last_column_if_asked() -> None:
    table = read_csv(b"id,title\n1,Puma, red\n2,Nike\n", "styles.csv", surplus="last")
    assert table["title"].tolist() == ["Puma, red", "Nike"]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n", b"PAR1" + b"\0" * 100 + b"PAR1"])
def test_what_is_no_parquet_is_refused(content: bytes) -> None:
    with pytest.raises(UserError, match=r"catalog\.parquet cannot be read"):
        read_parquet(content, "catalog.parquet")


def parquet(columns: dict[str, pa.Array], **how: object) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written, **how)
    return written.getvalue()
