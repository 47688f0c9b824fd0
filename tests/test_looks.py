"""Thumbnails and colours are made once for each picture, and exports show the colours' names."""

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from flows.catalogue import looks
from flows.catalogue.places import store_of
from flows.groups_export import exported
from flows.local.project import Project
from ml.catalogue.colour_names import REFERENCES, measured_names, name_colours
from ml.catalogue.store import Store
from ml.catalogue.versions import TABLES, Version, save
from ml.core.errors import UserError


def photo(path: Path, colour: tuple[int, int, int]) -> Path:
    """A product of one colour on white."""
    picture = np.full((200, 150, 3), 255, np.uint8)
    picture[40:160, 30:120] = colour
    Image.fromarray(picture).save(path, "PNG")
    return path


@pytest.fixture
def products(tmp_path: Path) -> pd.DataFrame:
    """Five products: blue, red, blue again with the same picture, a broken picture, and none."""
    blue = photo(tmp_path / "blue", (30, 40, 160))
    red = photo(tmp_path / "red", (190, 25, 45))
    (tmp_path / "broken").write_bytes(b"<html>")
    paths = [blue, red, blue, tmp_path / "broken", None]
    return pd.DataFrame(
        {
            "product_id": list("abcde"),
            "sha256": [None if one is None else one.name for one in paths],
            "image": [None if one is None else str(one) for one in paths],
        }
    )


def test_each_picture_is_decoded_once_and_a_broken_one_never_again(
    tmp_path: Path, products: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = looks.looks_of(Store(str(tmp_path / "store")))
    assert looks.keep_looks(kept, products) == 3
    with monkeypatch.context() as patch:
        patch.setattr(looks, "decode", None)
        assert looks.keep_looks(kept, products) == 0
        assert looks.keep_looks(kept, products.assign(image=None)) == 0
    found = looks.colours(kept, products["sha256"])
    assert np.abs(found[:3] - [[30, 40, 160], [190, 25, 45], [30, 40, 160]]).max() <= 2
    assert np.isnan(found[3:]).all()
    assert measured_names(found).tolist() == ["Blue", "Red", "Blue", None, None]
    thumbnails = dict(looks.thumbnails(kept, ["broken", "red", "blue"]))
    assert sorted(thumbnails) == ["blue", "red"]
    assert list(looks.thumbnails(kept, [])) == []  # a page without a group, or one made again
    assert max(Image.open(io.BytesIO(thumbnails["red"])).size) == 112


def test_the_shops_own_name_comes_first_and_is_contradicted_only_from_far() -> None:
    colours = np.array([[190.0, 25, 45]] * 5 + [[np.nan] * 3])
    said = pd.Series(["Blue", "red", "Maroon", "Galaxy", " ", "Blue"])
    found = name_colours(said, colours)
    assert found["colour"].tolist() == ["Blue", "red", "Maroon", "Galaxy", "Red", "Blue"]
    assert found["looks"].tolist() == ["Red", None, None, None, None, None]
    assert set(measured_names(colours[:5])) == {"Red"} <= set(REFERENCES)


def test_a_version_is_exported_with_the_colours_of_its_pictures(
    tmp_path: Path, products: pd.DataFrame
) -> None:
    project = Project(tmp_path)
    store = store_of(project)
    looks.keep_looks(looks.looks_of(store), products)
    table = products.drop(columns="image").assign(
        brand="b", gender="g", article_type="Shirts", group=list("xxxyy"), opened=1, score=0.9
    )
    table = table.assign(
        band=["publish"] * 3 + ["review"] * 2, problem=None, representative=[0, 1, 0, 1, 0]
    )
    table["representative"] = table["representative"].astype(bool)
    facts = {"number": 1, "id": "1", "catalogue": "shop", "predecessor": None}
    empty = dict.fromkeys(TABLES[1:], table.iloc[:0])
    save(store, Version(facts, table, **empty))
    out = tmp_path / "feed.csv"
    found = exported(project, "shop", 0, "meta", out)
    assert (found["version"], found["products"], found["left_out"]) == (1, 3, [])
    with out.open() as file:
        assert [one["id"] for one in csv.DictReader(file)] == ["b", "a", "c"]
    exported(project, "shop", 1, "schema-org", out)
    assert out.read_text().count('"color": "Blue"') == 2
    assert exported(project, "shop", 0, "meta", out, ("publish", "review"))["products"] == 5
    with pytest.raises(UserError, match="no catalogue"):
        exported(project, "other", 0, "meta", out)
