"""Versions of a catalogue's groups in the store: named, found, and of one shop only."""

from pathlib import Path

import pandas as pd
import pytest
from catalogue import Shop
from conftest import project_of

from flows.catalogue.grouping import Asked, refuse_other_shop
from flows.groups import find, listed
from ml.catalogue.store import Store
from ml.catalogue.versions import catalogue_name, load, save
from ml.core.errors import UserError


def kept(folder: Path) -> Store:
    store, version = Store(str(folder / ".variants/store")), Shop(0, 12).group()
    version.facts.update(catalogue="mine", source="shop", created="2026-11-26T10:00:00+00:00")
    save(store, version)
    return store


def test_another_shop_under_the_name_of_one_that_is_known_is_refused(tmp_path: Path) -> None:
    before = load(kept(tmp_path), "mine", 1)
    others = pd.DataFrame({"product_id": ["x", "y"]})
    with pytest.raises(UserError, match="--catalogue NAME"):
        refuse_other_shop(Asked("mine", "other/mine", {}, "Ada"), others, before)
    refuse_other_shop(Asked("mine", "shop", {}, "Ada"), before.products.head(1), before)
    refuse_other_shop(Asked("mine", "shop", {}, "Ada", new_only=True), others, before)


def test_a_catalogue_or_version_that_is_not_there_is_refused_with_those_that_are(
    tmp_path: Path,
) -> None:
    store = kept(tmp_path)
    with pytest.raises(UserError, match="there are: mine"):
        find(store, "../mine")
    with pytest.raises(UserError, match="there are 1 to 1"):
        find(store, "mine", 7)
    assert [one["catalogue"] for one in listed(project_of(tmp_path))] == ["mine"]


@pytest.mark.parametrize(
    ("source", "name"),
    [("/data/My Shop/", "my-shop"), ("s3://bucket/shop", "shop"), ("..", "shop"), ("Été", "t")],
)
def test_a_catalogue_is_named_after_its_source(source: str, name: str) -> None:
    assert catalogue_name("", source) == name


@pytest.mark.parametrize("name", ["../x", "A", "a/b", "", "x" * 64, "ü"])
def test_a_name_that_could_be_a_path_is_none(name: str) -> None:
    if name:
        with pytest.raises(UserError, match="no name of a catalogue"):
            catalogue_name(name, "shop")
    else:
        assert catalogue_name(name, "/") == "shop"
