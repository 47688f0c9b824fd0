"""The public data format is read as documented, and violations of it are refused in words."""

import os
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import fsspec
import pandas as pd
import pytest
import yaml
from conftest import edit_table

from flows.local.project import Project
from flows.local.temporary_import import borrowed
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.data.blocks import block_numbers, fill_unknown
from ml.data.schema import CATALOG_COLUMNS
from ml.snapshot.column_names import parse_columns
from ml.snapshot.likely_values import likely_value
from ml.snapshot.shop import open_shop
from ml.snapshot.stage import import_shop

HEADER = "product_id,image,brand,gender,article_type\n"


def refused(folder: Path | str, *words: str) -> None:
    with pytest.raises(UserError) as caught:
        open_shop(str(folder))
    for word in words:
        assert word in str(caught.value)


def test_a_shop_keeps_every_column_and_reads_all_values_as_text(own_shop: Path) -> None:
    edit_table(
        own_shop / "catalog.csv",
        lambda table: table.assign(price="007", product_id=table["product_id"]),
    )
    opened = open_shop(str(own_shop))
    assert (opened.catalog["price"] == "007").all()
    assert {"product_id", "image", "brand", "gender", "article_type", "title"} <= set(
        opened.catalog.columns
    )
    assert opened.pairs is not None
    assert set(opened.pairs["color_variants"]) == {0, 1}


def test_parquet_tables_read_like_csv_tables(own_shop: Path) -> None:
    before = open_shop(str(own_shop))
    for name in ("catalog", "pairs"):
        table = pd.read_csv(own_shop / f"{name}.csv", dtype=str, keep_default_na=False)
        table.to_parquet(own_shop / f"{name}.parquet")
        (own_shop / f"{name}.csv").unlink()
    after = open_shop(str(own_shop))
    pd.testing.assert_frame_equal(before.catalog, after.catalog)
    assert before.pairs is not None
    assert after.pairs is not None
    pd.testing.assert_frame_equal(before.pairs, after.pairs)


def test_a_shop_behind_a_url_gives_the_same_snapshot(shop: Path, tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(f"{shop}/", "/remote-shop/", recursive=True)
    import_shop(str(shop), tmp_path / "local")
    import_shop("memory://remote-shop", tmp_path / "remote")
    assert digest(tmp_path / "local") == digest(tmp_path / "remote")


def test_a_snapshot_does_not_depend_on_the_order_of_rows(own_shop: Path, tmp_path: Path) -> None:
    import_shop(str(own_shop), tmp_path / "first")
    for name in ("catalog", "pairs"):
        edit_table(own_shop / f"{name}.csv", lambda table: table.sample(frac=1, random_state=1))
    import_shop(str(own_shop), tmp_path / "second")
    assert digest(tmp_path / "first") == digest(tmp_path / "second")


def test_a_missing_picture_is_kept_in_the_snapshot_for_the_contract_to_report(
    own_shop: Path, tmp_path: Path
) -> None:
    gone = sorted((own_shop / "images").iterdir())[0]
    gone.unlink()
    import_shop(str(own_shop), tmp_path / "snapshot")
    catalog = read_table(tmp_path / "snapshot/catalog.parquet")
    assert catalog.loc[catalog["sha256"].isna(), "image"].tolist() == [f"images/{gone.name}"]


def test_a_folder_that_is_no_shop_is_refused(tmp_path: Path) -> None:
    refused(tmp_path / "nowhere", "no shop", "nowhere")
    refused(tmp_path, "no catalog.csv")


def test_an_unknown_kind_of_url_is_refused() -> None:
    refused("gopher://shop", "cannot be reached")


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("id,image\n1,a.jpg\n")
    refused(tmp_path, "product_id", "brand", "id, image")


def test_a_catalogue_without_products_is_refused(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text(HEADER)
    refused(tmp_path, "no products")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b'a,b\n"1,2\n3'])
def test_an_unreadable_table_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "catalog.csv").write_bytes(content)
    refused(tmp_path, "catalog")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        (["1000000", "1000000"], "has ids that come twice or more: 1000000; "),
        (["", "1000000"], "has products without an id: images/1000000.jpg; "),
    ],
)
def test_commands_that_import_no_snapshot_name_missing_ids_and_those_that_come_twice(
    own_shop: Path, tmp_path: Path, ids: list[str], message: str
) -> None:
    def edit(table: pd.DataFrame) -> pd.DataFrame:
        table.loc[:1, "product_id"] = ids
        return table

    edit_table(own_shop / "catalog.csv", edit)
    project = Project(tmp_path / "project")
    with pytest.raises(UserError, match=message), borrowed(project, str(own_shop)):
        pass


def test_two_catalogues_are_refused(own_shop: Path) -> None:
    pd.read_csv(own_shop / "catalog.csv").to_parquet(own_shop / "catalog.parquet")
    refused(own_shop, "both")


@pytest.mark.parametrize(
    "image", ["../a.jpg", "images/../../a.jpg", "/etc/hostname", "C:\\a.jpg", "..\\a.jpg", "."]
)
def test_a_picture_path_that_leaves_the_shop_is_refused(tmp_path: Path, image: str) -> None:
    (tmp_path / "catalog.csv").write_text(f"{HEADER}1,{image},b,Men,Tee\n")
    if image == ".":
        with pytest.raises(UserError):
            import_shop(str(tmp_path), tmp_path / "snapshot")
    else:
        refused(tmp_path, "not inside the shop")


@pytest.mark.parametrize("linked", ["picture", "folder", "catalogue"])
def test_symbolic_links_are_refused_and_nothing_is_written(
    own_shop: Path, tmp_path: Path, linked: str
) -> None:
    place = {"picture": sorted((own_shop / "images").iterdir())[0], "folder": own_shop / "images"}
    target = place.get(linked, own_shop / "catalog.csv")
    target.rename(tmp_path / "elsewhere")
    target.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="symbolic link"):
        import_shop(str(own_shop), tmp_path / "snapshot")
    assert not list(tmp_path.glob("*snapshot*"))
    assert not list(tmp_path.glob(".*part"))


def digest(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def write_shop(folder: Path, catalog: str, **files: str) -> Path:
    """A shop with these tables, given as CSV; `pairs` stands for pairs.csv, and so on."""
    folder.mkdir(exist_ok=True)
    (folder / "catalog.csv").write_text(catalog, encoding="utf-8")
    for name, content in files.items():
        ending = "yaml" if name == "shop" else "csv"
        (folder / f"{name}.{ending}").write_text(content, encoding="utf-8")
    return folder


THEIRS = "sku;Bild;Marke;Geschlecht;Art\n007;a.jpg;Müller;Damen;Kleid\n"
NAMES = {
    "sku": "product_id",
    "Bild": "image",
    "Marke": "brand",
    "Geschlecht": "gender",
    "Art": "article_type",
}


def test_columns_of_other_names_are_read_through_the_option_or_shop_yaml(tmp_path: Path) -> None:
    wanted = ["007", "a.jpg", "Müller", "Damen", "Kleid"]
    option = parse_columns(",".join(f"{theirs}={ours}" for theirs, ours in NAMES.items()))
    by_option = open_shop(str(write_shop(tmp_path / "a", THEIRS)), option).catalog
    described = write_shop(tmp_path / "b", THEIRS, shop=yaml.safe_dump({"columns": NAMES}))
    by_file = open_shop(str(described)).catalog
    for catalog in (by_option, by_file):
        assert catalog[list(CATALOG_COLUMNS)].iloc[0].tolist() == wanted
    refused(tmp_path / "a", "lacks the columns product_id, image", "--columns")


def test_a_file_of_windows_is_read_with_the_encoding_of_shop_yaml(tmp_path: Path) -> None:
    shop = write_shop(tmp_path, "", shop="encoding: cp1252\n")
    (shop / "catalog.csv").write_bytes(f"{HEADER}1,a.jpg,Müller,Damen,Kleid\n".encode("cp1252"))
    assert open_shop(str(shop)).catalog["brand"].tolist() == ["Müller"]
    (shop / "shop.yaml").unlink()
    refused(shop, "line 2, byte 10", "encoding: cp1252")


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ("sku", "write the shop's name"),
        ("=product_id", "write the shop's name"),
        ("nothing=brand", "has the column 'nothing'"),
        ("sku=product_id,Bild=product_id", "sku and Bild would both be named product_id"),
    ],
)
def test_columns_that_cannot_be_renamed_are_refused(
    tmp_path: Path, columns: str, words: str
) -> None:
    write_shop(tmp_path, THEIRS)
    with pytest.raises(UserError) as caught:
        open_shop(str(tmp_path), parse_columns(columns))
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("columns: [sku]", "columns"),
        ("kolumns: {}", "kolumns"),
        ("- x", "shop.yaml"),
        ("encoding: 7", "encoding"),
        ("delimiter: ab", "delimiter"),
        ("a: &a [1]\nb: [*a, *a]", "aliases"),
        ("{", "shop.yaml"),
        ("x: " + "y" * 70_000, "65,536 bytes"),
        ("encoding: latin-17", "latin-17"),
        ("!!python/object/apply:os.system [ls]", "shop.yaml"),
    ],
)
def test_a_shop_yaml_that_says_something_else_is_refused(
    tmp_path: Path, content: str, words: str
) -> None:
    refused(write_shop(tmp_path, f"{HEADER}1,a.jpg,b,g,t\n", shop=content), words)


def test_a_shop_without_a_column_of_the_block_says_so_and_its_products_are_one_block(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = write_shop(
        tmp_path, "product_id,image,brand,article_type\n1,a.jpg,b,Tee\n2,b.jpg,,Tee\n"
    )
    refused(shop, "lacks the column gender", "-=gender")
    catalog = open_shop(str(shop), parse_columns("-=gender")).catalog
    assert catalog["gender"].tolist() == [None, None]
    said = capsys.readouterr().out
    assert "2 products have no gender: 1, 2" in said
    assert "1 products have no brand: 2" in said
    assert fill_unknown(catalog)["gender"].tolist() == ["unknown", "unknown"]
    assert fill_unknown(catalog)["brand"].tolist() == ["b", "unknown"]


@pytest.mark.parametrize(
    ("title", "guess"),
    [
        ("Summer dress by ACME", "acme"),
        ("Nort Star summer dress", "North Star"),  # a letter is missing
        ("North Star dress of acme", "North Star"),  # the longer one
        ("acme’s summer dress", "acme"),
        ("Summer dress", None),
        ("Star acne cap", None),  # "Star" is no brand here, and short words need all letters
        ("", None),
    ],
)
def test_the_title_of_a_product_without_a_brand_suggests_a_known_one(
    title: str, guess: str | None
) -> None:
    assert likely_value(title, ["acme", "North Star"]) == guess


def test_the_warning_of_a_missing_value_names_what_the_title_suggests_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    header = "product_id,image,brand,gender,article_type,title\n"
    rows = "1,a.jpg,Zara,Women,Tee,x\n2,b.jpg,,Women,Tee,Zarra tee\n3,c.jpg,,Women,,tee shirt\n"
    catalog = open_shop(str(write_shop(tmp_path, header + rows))).catalog
    assert catalog["brand"].tolist() == ["Zara", None, None]
    said = capsys.readouterr().out
    assert "unknown brand only; by their titles it may be: 2 Zara\n" in said
    assert "unknown article_type only; by their titles it may be: 3 Tee\n" in said
    blocks = block_numbers(fill_unknown(catalog))
    assert len(set(blocks)) == 3  # none is silently in the block of others


@pytest.mark.parametrize(
    ("label", "wanted"),
    [("1", 1), ("TRUE", 1), ("Yes", 1), ("0", 0), ("false", 0), ("n", 0), ("1.0", 1), ("", None)],
)
def test_labels_are_read_as_people_write_them(
    tmp_path: Path, label: str, wanted: int | None
) -> None:
    pairs = f"left,right,color_variants\n1,2,{label}\n"
    shop = open_shop(str(write_shop(tmp_path, f"{HEADER}1,a.jpg,b,g,t\n", pairs=pairs)))
    assert shop.pairs is not None
    found = shop.pairs["color_variants"].iloc[0]
    assert (None if pd.isna(found) else found) == wanted


def test_a_word_that_is_no_label_is_refused_with_its_line(tmp_path: Path) -> None:
    pairs = "left,right,color_variants\n1,2,1\n1,2,maybe\n"
    refused(
        write_shop(tmp_path, f"{HEADER}1,a.jpg,b,g,t\n", pairs=pairs),
        "line 3, column color_variants: 'maybe'",
    )


def test_labels_of_parquet_may_be_booleans_and_ids_decimals(tmp_path: Path) -> None:
    write_shop(tmp_path, f"{HEADER}1000000,a.jpg,b,g,t\n1000001,b.jpg,b,g,t\n")
    frame = pd.DataFrame(
        {"left": [1000000.0], "right": [1000001.0], "color_variants": [True]},
    )
    frame.to_parquet(tmp_path / "pairs.parquet")
    pairs = open_shop(str(tmp_path)).pairs
    assert pairs is not None
    assert pairs.iloc[0].tolist() == ["1000000", "1000001", 1]


def test_a_table_that_spark_writes_as_a_folder_of_parts_is_one_table(tmp_path: Path) -> None:
    folder = tmp_path / "catalog.parquet"
    folder.mkdir()
    (folder / "_SUCCESS").touch()
    for part in range(2):
        row = {"product_id": [part], "image": ["a.jpg"], "brand": ["b"], "gender": ["g"]}
        pd.DataFrame(row | {"article_type": ["t"]}).to_parquet(folder / f"part-{part}.parquet")
    assert open_shop(str(tmp_path)).catalog["product_id"].tolist() == ["0", "1"]
    (folder / "brand=x").mkdir()
    refused(tmp_path, "brand=x", "without partitions")


def test_all_pictures_of_a_product_are_kept_and_the_first_one_is_its_image(tmp_path: Path) -> None:
    pictures = (
        "product_id,image,role,position\n1,b.jpg,back,2\n1,a.jpg,main,1\n2,c.jpg,,\n9,d.jpg,,\n"
    )
    catalog = "product_id,brand,gender,article_type\n1,b,g,t\n2,b,g,t\n"
    shop = open_shop(str(write_shop(tmp_path, catalog, pictures=pictures)))
    assert shop.catalog["image"].tolist() == ["a.jpg", "c.jpg"]
    assert shop.pictures is not None
    assert shop.pictures["image"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert shop.pictures["position"].tolist() == [1, 2, 1]
    for row, words in (
        ("1,,main,1", "must be filled in"),
        ("1,a.jpg,main,0", "no whole number from 1"),
        ("1,../a.jpg,main,1", "not inside the shop"),
    ):
        wrong = f"product_id,image,role,position\n{row}\n"
        refused(write_shop(tmp_path, catalog, pictures=wrong), words)


def test_names_of_pictures_are_found_in_either_unicode_form(tmp_path: Path) -> None:
    forms: list[Literal["NFC", "NFD"]] = ["NFC", "NFD"]
    for form, other in zip(forms, forms[::-1], strict=True):
        shop = tmp_path / form
        write_shop(shop, f"{HEADER}1,{normalize(form, 'é.jpg')},b,g,t\n")
        (shop / normalize(other, "é.jpg")).write_bytes(b"picture")
        opened = open_shop(str(shop))
        assert opened.read_picture(opened.catalog["image"].iloc[0]) == b"picture"


def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    shop = open_shop(str(write_shop(tmp_path, f"{HEADER}1,pipe.jpg,b,g,t\n")))
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(UserError, match="a pipe, a socket or a device"):
        shop.read_picture("pipe.jpg")
    (tmp_path / "catalog.csv").unlink()
    os.mkfifo(tmp_path / "catalog.csv")
    refused(tmp_path, "a pipe, a socket or a device")


def test_names_that_no_file_can_have_are_refused(tmp_path: Path) -> None:
    refused(write_shop(tmp_path, f"{HEADER}1,{'x' * 300}.jpg,b,g,t\n"), "255 bytes")
