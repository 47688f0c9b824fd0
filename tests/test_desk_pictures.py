"""The desk sends pictures of a catalogue by their digests, and nothing else."""

import io
import shutil
from pathlib import Path

import pandas as pd
import pytest
from desk_catalogue import SOURCE, grouped_catalogue
from fastapi.testclient import TestClient
from PIL import Image

from flows.catalogue.looks import FOLDER
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_picture
from flows.desk.app import desk_app
from flows.desk.pictures import LARGE
from flows.desk.settings import Settings
from flows.local.project import Project


@pytest.fixture
def products(empty_project: Project) -> pd.DataFrame:
    return grouped_catalogue(empty_project)


@pytest.fixture
def client(empty_project: Project) -> TestClient:
    settings = Settings(user_header="x-user", hosts=["testserver"])
    return TestClient(desk_app(empty_project, settings), headers={"x-user": "Ada"})


def test_a_picture_comes_from_the_shops_copy_shrunk_and_small_from_the_store(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    digest = products["sha256"][0]
    file = kept_picture(empty_project, SOURCE, {}, digest)
    Image.new("RGB", (2000, 1000), (10, 200, 10)).save(file, "PNG")
    large = client.get(f"/picture/shop/{digest}")
    assert large.headers["content-type"] == "image/jpeg"
    assert Image.open(io.BytesIO(large.content)).size == (LARGE, LARGE // 2)
    assert "immutable" in large.headers["cache-control"]
    assert "vary" not in large.headers  # a cookie of the session makes it no other picture
    small = client.get(f"/picture/shop/{digest}?small")
    assert max(Image.open(io.BytesIO(small.content)).size) == 112
    file.unlink()
    assert client.get(f"/picture/shop/{digest}").content == small.content


def test_only_pictures_of_the_catalogue_are_sent_and_never_a_path(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    (kept_picture(empty_project, SOURCE, {}, "0" * 64)).write_bytes(b"not of a product")
    for name in ("0" * 64, "..%2f..%2fcatalog.parquet", "%2fetc%2fpasswd", "index.parquet"):
        assert client.get(f"/picture/shop/{name}").status_code == 404, name
        assert client.get(f"/picture/..%2fshop/{products['sha256'][0]}").status_code == 404
    assert client.get(f"/picture/other/{products['sha256'][0]}").status_code == 404
    anonymous = client.get(f"/picture/shop/{products['sha256'][0]}", headers={"x-user": ""})
    assert anonymous.status_code == 401


def test_a_picture_that_is_nowhere_is_a_gray_square_for_a_minute(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    digest = products["sha256"][0]
    assert client.get(f"/picture/shop/{digest}?small").status_code == 200
    store = store_of(empty_project)
    shutil.rmtree(Path(store.path(FOLDER)))
    kept_picture(empty_project, SOURCE, {}, digest).write_bytes(b"<svg onload='x()'>")
    found = client.get(f"/picture/shop/{digest}")
    assert found.headers["content-type"] == "image/png"
    assert "immutable" not in found.headers["cache-control"]
    assert Image.open(io.BytesIO(found.content)).size == (8, 8)


def test_thumbnails_are_found_again_after_the_parts_were_merged(
    client: TestClient, products: pd.DataFrame, empty_project: Project
) -> None:
    digest = products["sha256"][0]
    before = client.get(f"/picture/shop/{digest}?small").content
    looks = Path(store_of(empty_project).path(FOLDER))
    for part in list(looks.iterdir()):
        part.rename(looks / f"{'f' * 32}.parquet")
    assert client.get(f"/picture/shop/{digest}?small").content == before
