"""A model is trained and registered from the generated shop in every layout of public data."""

import functools
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import CANDIDATES, Clone
from layout_trees import goods_of, write_tree

from ml.core.files import read_table
from ml.snapshot.layouts import LAYOUTS
from ml.snapshot.layouts.writing import import_layout
from ml.snapshot.shop import open_shop
from ml.snapshot.stage import import_shop

PAIRLESS = ("kaggle-fashion", "abo")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the folder web, which a tree is given."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: object) -> None:
            pass

    (tmp_path / "tree/web").mkdir(parents=True)
    handler = functools.partial(Quiet, directory=str(tmp_path / "tree/web"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=[0.02], daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def clone(make_clone: Callable[[], Clone]) -> Clone:
    return make_clone()


@pytest.mark.full
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_model_is_registered_from_every_layout(
    layout: str, clone: Clone, shop: Path, tmp_path: Path, address: str
) -> None:
    clone.environment["VARIANTS_PICTURE_HOSTS"] = address.removeprefix("http://")
    goods = goods_of(shop)
    write_tree(layout, goods, tmp_path / "tree", address)
    out = tmp_path / "imported"
    said = clone.run("import", layout, str(tmp_path / "tree"), "--out", str(out)).stdout
    assert f"{len(goods)} products with" in said
    assert ("pairs: none" in said) == (layout in PAIRLESS)
    opened = open_shop(str(out))
    assert len(opened.catalog) == len(goods)
    assert (opened.pairs is None) == (layout in PAIRLESS)
    before = {str(one.version) for one in clone.client.search_model_versions()}
    said = clone.run("retrain", "--source", str(out)).stdout
    assert f"registered models:/{CANDIDATES}/" in said
    versions = {str(one.version) for one in clone.client.search_model_versions()}
    assert len(versions - before) == 1


@pytest.mark.parametrize("layout", ["magento", "google-merchant"])
def test_a_shop_in_a_layout_has_the_pictures_and_designs_that_it_was_laid_out_from(
    layout: str, shop: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One layout of files and one of URLs, from the tree to the snapshot."""
    monkeypatch.setenv("VARIANTS_PICTURE_HOSTS", address.removeprefix("http://"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    goods = goods_of(shop)[:24]
    write_tree(layout, goods, tmp_path / "tree", address)
    import_layout(layout, tmp_path / "tree", tmp_path / "imported", print)
    import_shop(str(tmp_path / "imported"), tmp_path / "snapshot")
    catalog = read_table(tmp_path / "snapshot/catalog.parquet")
    found = {
        (family.strip("FG"), (tmp_path / "snapshot/images" / digest).read_bytes())
        for family, digest in zip(catalog["design_family"], catalog["sha256"], strict=True)
    }
    assert found == {(str(good.family), good.picture) for good in goods}
    assert len(list((tmp_path / "snapshot/images").iterdir())) == len(goods)
