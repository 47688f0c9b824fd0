"""Versions of a catalogue's groups in the store: named, found, and of one shop only."""

import json
from pathlib import Path

import pandas as pd
import pytest
from catalogue import Shop
from conftest import project_of

from flows.catalogue.grouping import Asked, refuse_other_shop
from flows.groups import find, listed
from ml.catalogue.store import Store
from ml.catalogue.versions import TABLES, Version, catalogue_name, load, save
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


@pytest.mark.parametrize("url", ["folder", "memory"])
@pytest.mark.parametrize("step", [*range(4), 5])
def test_of_two_who_save_a_version_at_once_one_is_refused_and_nothing_is_mixed(
    tmp_path: Path, url: str, step: int
) -> None:
    """The other one saves before any table of the first, or after all.

    Only the lock of groupings keeps others out between the last look and the last write.
    """
    url = str(tmp_path) if url == "folder" else f"memory://{tmp_path.name}"
    by = []
    for seed, person in enumerate(("Ada", "Bo")):
        version = Shop(seed, 12).group()
        version.facts.update(catalogue="mine", by=person)
        by.append(version)
    mine, others, saved = Store(url), Store(url), list[Version]()
    write, writes = mine.write, iter(range(9))

    def interrupted(name: str, content: bytes) -> None:
        at = next(writes)
        if at == step:
            save(others, by[1])
            saved.append(by[1])
        write(name, content)
        if at + 1 == step == 5:  # after the last write
            with pytest.raises(UserError, match="somebody else"):
                save(others, by[1])

    mine.write = interrupted  # type: ignore[method-assign]
    try:
        save(mine, by[0])
        saved.append(by[0])
    except UserError as error:
        assert "somebody else" in str(error)
    kept = load(others, "mine", 1)
    assert kept.facts["by"] == saved[-1].facts["by"]
    for name in TABLES:
        one, other = (getattr(made, name).to_csv(index=False) for made in (kept, saved[-1]))
        assert one == other
    assert len(saved) == 1


def test_a_version_of_before_is_read_whose_tables_lie_beside_its_facts(tmp_path: Path) -> None:
    store = kept(tmp_path)
    new = load(store, "mine", 1)
    folder = Path(store.path("catalogues/mine/000001"))
    for table in (folder / new.facts["tables"]).iterdir():
        table.rename(folder / table.name)
    facts = json.loads((folder / "version.json").read_text())
    facts.pop("tables")
    (folder / "version.json").write_text(json.dumps(facts))
    old = load(store, "mine", 1)
    assert old.facts == facts
    assert old.products.equals(new.products)
