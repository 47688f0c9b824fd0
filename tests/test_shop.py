"""The public data format is read as documented, and violations of it are refused in words."""

from pathlib import Path

import fsspec
import pandas as pd
import pytest
from conftest import edit_table

from flows.local.project import Project
from flows.local.temporary_import import borrowed
from ml.core.errors import UserError
from ml.core.files import read_table
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
