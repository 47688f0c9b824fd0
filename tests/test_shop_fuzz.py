"""Damaged shops: each is imported as its files say, or refused in words; never a traceback."""

import csv
import io
import random
import shutil
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from conftest import jpeg
from PIL import Image

from ml.core.errors import UserError
from ml.core.files import read_table
from ml.snapshot.folding import fold
from ml.snapshot.stage import import_shop
from ml.validate.image_checks import inspect_pictures

FAST, ALL = 60, 2000  # shops in `make test` and in `make test-full`
HEADER = ["product_id", "image", "brand", "gender", "article_type", "title", "price"]
PRODUCTS = 8
WORDS = ["Polo", "Größe M", '5" heel', "a, b", "=1+1", "[/sale]", "<b>", "\u00a0x", "cafe\u0301"]
SPELLINGS = [
    *WORDS,
    "",
    "  two  spaces ",
    "\u200bhidden",
    "line\nend",
    "-",
    "NA",
    "null",
    "007",
    "1e5",
]

KINDS: list[Any] = ["object", "category", "string[pyarrow]"]

Table = list[list[str]]
Damage = Callable[[Path, Table, random.Random], Table | None]


def make_shop(folder: Path, dice: random.Random) -> Table:
    """Writes a small shop of odd values and distinct pictures; returns its catalogue's rows."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(PRODUCTS):
        picture = np.asarray(dice.choices(range(256), k=12 * 12 * 3), np.uint8).reshape(12, 12, 3)
        (folder / f"images/{number}.jpg").write_bytes(jpeg(picture))
        said = [dice.choice(SPELLINGS) for _ in range(5)]
        rows.append([f"id {number}", f"images/{number}.jpg", *said])
    write_csv(folder / "catalog.csv", rows)
    pairs = [["left", "right", "color_variants"], ["id 0", "id 1", "1"], ["id 1", "id 2", "no"]]
    (folder / "pairs.csv").write_text("\n".join(map(",".join, pairs)) + "\n")
    return rows


def write_csv(path: Path, rows: Table, encoding: str = "utf-8", **dialect: object) -> None:
    text = io.StringIO()
    writer = csv.writer(text, **dialect)  # type: ignore[arg-type]
    writer.writerows([HEADER, *rows])
    path.write_bytes(text.getvalue().encode(encoding))


BYTES = [b",", b'"', b"\n", b"\r", b"\0", b";", b"\xff", b"="]

# Damages that keep what the catalogue says: the shop must come in equal to the returned rows.


def another_dialect(folder: Path, rows: Table, dice: random.Random) -> Table:
    write_csv(
        folder / "catalog.csv",
        rows,
        dice.choice(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        delimiter=dice.choice(",;\t|"),
        lineterminator=dice.choice(["\n", "\r\n"]),
        quoting=dice.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    )
    return rows


def parquet_of_a_tool(folder: Path, rows: Table, dice: random.Random) -> Table:
    frame = pd.DataFrame(rows, columns=HEADER)
    ids = dice.choice(["text", "numbers", "decimals", "index"])
    if ids in ("numbers", "decimals"):
        frame["product_id"] = np.arange(PRODUCTS) + 10**6
        rows = [[str(10**6 + place), *row[1:]] for place, row in enumerate(rows)]
        if ids == "decimals":
            frame["product_id"] = frame["product_id"].astype(float)
    for column in HEADER[2:]:
        frame[column] = frame[column].astype(dice.choice(KINDS))
    frame = frame.set_index("product_id") if ids == "index" else frame
    (folder / "catalog.csv").unlink()
    (folder / "pairs.csv").unlink()  # its ids would be others
    frame.to_parquet(folder / "catalog.parquet", compression=dice.choice(["snappy", "zstd", None]))
    return rows


def other_values(folder: Path, rows: Table, dice: random.Random) -> Table:
    for _ in range(dice.randrange(1, 6)):
        row, column = dice.randrange(PRODUCTS), dice.randrange(2, len(HEADER))
        rows[row][column] = "".join(chr(dice.choice(SIGNS)) for _ in range(dice.randrange(12)))
    write_csv(folder / "catalog.csv", rows)
    return rows


SIGNS = [
    *range(1, 0x250),
    *range(0x300, 0x370),
    *range(0x2000, 0x2070),
    *range(0xFE00, 0xFFFE),
    *range(0x1F600, 0x1F650),
]


# Damages after which the catalogue says something else, or nothing: no row may be told to hold
# what the file does not say.


def broken_bytes(folder: Path, rows: Table, dice: random.Random) -> None:
    file = dice.choice([folder / "catalog.csv", folder / "pairs.csv"])
    content = bytearray(file.read_bytes())
    for _ in range(dice.randrange(1, 5)):
        place = dice.randrange(len(content))
        how = dice.randrange(4)
        if how == 0:
            content[place] = dice.randrange(256)
        elif how == 1:
            content[place:place] = dice.choice(
                [b",", b'"', b"\n", b"\r", b"\0", b";", b"\xff", b"="]
            )
        elif how == 2:
            del content[place : place + dice.randrange(1, 30)]
        else:
            del content[place:]
            break
    file.write_bytes(bytes(content))


def broken_parquet(folder: Path, rows: Table, dice: random.Random) -> None:
    parquet_of_a_tool(folder, rows, dice)
    file = folder / "catalog.parquet"
    content = bytearray(file.read_bytes())
    for _ in range(dice.randrange(1, 4)):
        place = dice.randrange(len(content))
        content[place] = dice.randrange(256)
    file.write_bytes(bytes(content) if dice.random() < 0.7 else bytes(content[: len(content) // 2]))


def broken_pictures(folder: Path, rows: Table, dice: random.Random) -> None:
    for file in dice.sample(sorted((folder / "images").iterdir()), 3):
        content = bytearray(file.read_bytes())
        how = dice.randrange(5)
        if how == 0:
            content[dice.randrange(len(content))] = dice.randrange(256)
        elif how == 1:
            del content[dice.randrange(len(content)) :]
        elif how == 2:
            content[:4] = dice.choice([b"%PDF", b"<svg", b"8BPS", b"GIF8", b"\x89PNG", b"RIFF"])
        elif how == 3:
            picture = Image.open(file).convert(dice.choice(["1", "L", "P", "CMYK", "I;16", "F"]))
            picture.save(file, dice.choice(["TIFF"]))
            continue
        else:
            file.unlink()
            continue
        file.write_bytes(bytes(content))


def odd_paths(folder: Path, rows: Table, dice: random.Random) -> None:
    odd = [
        "../catalog.csv", "/etc/hostname", "C:\\a.jpg", "images", ".", "", "images/\u00e9.jpg",
        "file:///etc/hostname", "http://127.0.0.1:9/a.jpg", "https://[", "http://", "s3://b/a.jpg",
        "images/0.jpg/x", "x" * 300, "images//1.jpg", "~/a.jpg", "images/0.jpg\n", "a\x00b", "-rf",
        "$(ls)", "images/%2e%2e/0.jpg", "HTTP://127.0.0.1:9/a.jpg", "http://a b/c",
    ]  # fmt: skip
    for _ in range(dice.randrange(1, 3)):
        rows[dice.randrange(PRODUCTS)][1] = dice.choice(odd)
    write_csv(folder / "catalog.csv", rows)


def odd_description(folder: Path, rows: Table, dice: random.Random) -> None:
    parts = [
        "columns: {price: title, title: price}", "columns: {price: brand}", "columns: 7", "- a",
        "{", "encoding: utf-16", "encoding: cp1252", "encoding: nothing", "delimiter: ';'",
        "delimiter: ''", "x: !!binary aaa", "columns: {a: b}", "? [a]", "columns: {'-x': gender}",
        "\x00", "encoding: idna", "columns: {price: '<b>'}", "delimiter: '\"'",
        'delimiter: "\\n"',
    ]  # fmt: skip
    (folder / "shop.yaml").write_text("\n".join(dice.sample(parts, dice.randrange(1, 3))))


KEEPING: list[Damage] = [another_dialect, parquet_of_a_tool, other_values]
BREAKING: list[Damage] = [broken_bytes, broken_parquet, broken_pictures, odd_paths, odd_description]


def try_shop(folder: Path, seed: int) -> str:
    """Damages a shop, imports it and compares.

    Returns:
        "equal", "refused" or "as its files say".
    """
    dice = random.Random(seed)
    shop, snapshot = folder / "shop", folder / "snapshot"
    rows = make_shop(shop, dice)
    damage = dice.choice([*KEEPING, *BREAKING])
    wanted = damage(shop, rows, dice)
    try:
        import_shop(str(shop), snapshot, log=lambda line: None)
    except UserError as error:
        assert str(error).strip()
        assert not snapshot.exists()
        assert wanted is None, f"{damage}: {error}"
        return "refused"
    catalog = read_table(snapshot / "catalog.parquet").astype(object)
    catalog = catalog.where(catalog.notna(), None)
    for image, name in zip(catalog["image"], catalog["sha256"], strict=True):
        if isinstance(name, str):
            stored = (snapshot / "images" / name).read_bytes()
            assert sha256(stored).hexdigest() == name
            assert stored == (shop / image).read_bytes()
    facts = inspect_pictures(catalog, snapshot / "images")
    assert (facts["usable"] | facts["reason"].notna()).all()
    if wanted is not None:
        assert set(catalog.columns) == {*HEADER, "sha256"}
        found = catalog[HEADER].to_numpy().tolist()
        assert found == [[as_read(cell, place) for place, cell in enumerate(row)] for row in wanted]
        return "equal"
    said = said_by(shop)
    for value in catalog.drop(columns=["sha256", "image"]).to_numpy().ravel():
        assert value is None or value in said, f"{value!r} is not in the file"
    return "as its files say"


def as_read(cell: str, column: int) -> str | None:
    return (cell.strip() if HEADER[column] == "image" else fold(cell)) or None


def said_by(shop: Path) -> str:
    """All that the files of a shop say, folded, for looking up single values."""
    parquet = shop / "catalog.parquet"
    if parquet.exists():
        cells = [cell for row in pq.read_table(parquet).to_pylist() for cell in row.values()]
        return "\n".join(
            fold(str(int(cell)) if isinstance(cell, float) else str(cell)) for cell in cells
        )
    content = (shop / "catalog.csv").read_bytes()
    texts = []
    for encoding in ("utf-8-sig", "cp1252", "utf-16"):
        try:
            texts.append(fold(content.decode(encoding).replace('""', '"')))
        except UnicodeError:
            continue
    return "\n".join(texts)


def test_damaged_shops_come_in_as_they_are_or_are_refused(tmp_path: Path) -> None:
    outcomes = {try_shop(tmp_path / str(seed), seed) for seed in range(FAST)}
    assert outcomes == {"equal", "refused", "as its files say"}


@pytest.mark.full
def test_two_thousand_damaged_shops_come_in_as_they_are_or_are_refused(tmp_path: Path) -> None:
    for seed in range(FAST, FAST + ALL):
        folder = tmp_path / str(seed)
        print(seed, try_shop(folder, seed), flush=True)
        shutil.rmtree(folder)
