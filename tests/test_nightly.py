"""Night after night a catalogue keeps what it is of, whatever a night brings."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catalogue import PARAMS as CATALOGUE
from catalogue import grouper, groups
from fastapi.testclient import TestClient
from nightly import SOURCE, Nightly

from flows.annotate_catalogue import snapshot_of
from flows.catalogue.corrections import CORRECTIONS, said_about
from flows.catalogue.grouping import Asked
from flows.catalogue.shop import kept_folder
from flows.corrections import lock, say
from flows.desk.app import desk_app
from flows.desk.roles import Roles
from flows.desk.settings import Settings
from flows.group import _remembered
from flows.lessons import lessons
from flows.local.project import Project
from ml.catalogue.block_grouping import Block, GroupedBlock, Grouper, group_block
from ml.catalogue.group_list import GroupList
from ml.catalogue.memory import regroup
from ml.catalogue.versions import FOLDER, Version, load
from ml.exports.exports import PUBLISH
from ml.exports.rows import rows_of

DELTA = "/shops/delta"


@pytest.fixture
def nightly(empty_project: Project, monkeypatch: pytest.MonkeyPatch) -> Nightly:
    return Nightly(empty_project, monkeypatch)


def test_after_a_night_of_new_products_only_the_catalogue_is_still_of_its_shop(
    nightly: Nightly, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {"sku": "product_id"}
    first = nightly.group(columns=columns).version
    a, b, *_ = nightly.members(first)
    say(nightly.project, "shop", a, b, True, "Ada", "")
    new = nightly.shop.add(3)
    night = nightly.group(new, DELTA, columns={"id": "product_id"}, new_only=True).version
    assert night.facts["counts"]["products"] == 63
    assert night.facts["source"] == SOURCE
    assert night.facts["columns"] == columns
    assert night.facts["delta"] == {"source": DELTA, "columns": {"id": "product_id"}}
    assert lessons(nightly.project, SOURCE, "", "", tmp_path, print) is not None
    assert snapshot_of(nightly.project, night).parent == kept_folder(
        nightly.project, SOURCE, columns
    )
    ran: list[list[str]] = []
    monkeypatch.setattr("flows.desk.jobs.stream", lambda command, *rest: ran.append(command))
    settings = Settings(
        Roles(people={"Ada": ["annotator"]}), user_header="x-user", hosts=["testserver"]
    )
    client = TestClient(desk_app(nightly.project, settings), headers={"x-user": "Ada"})
    page = client.get("/groups/shop").text
    token = page.split('name="token" value="')[1].split('"')[0]
    client.post("/groups/shop/group", data={"token": token})
    assert ran[0][-4:-2] == [f"--source={SOURCE}", "--catalogue=shop"]
    assert ran[0][-1] == "--columns=sku=product_id"
    again = nightly.group(columns=columns).version
    assert groups(again).equals(groups(night))


def test_a_shop_that_moves_takes_its_catalogue_along(nightly: Nightly, tmp_path: Path) -> None:
    first = nightly.group().version
    a, b, *_ = nightly.members(first)
    say(nightly.project, "shop", a, b, False, "Ada", "")
    nightly.group()
    moved = nightly.group(source="/shops/new")
    assert moved.made
    assert not len(moved.version.changes)
    assert lessons(nightly.project, "/shops/new", "", "", tmp_path, print) is not None
    assert not nightly.group(source="/shops/new/").made
    assert nightly.group(source="/shops/new", columns={"sku": "product_id"}).made


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("place", [0, 1])
def test_a_broken_picture_takes_no_product_out_of_the_feeds(
    nightly: Nightly, size: int, place: int
) -> None:
    products = nightly.group().version.products
    sizes = products.groupby("group")["group"].transform("size")
    there = products[(sizes == size) & (products["band"] == "publish")]
    group = there["group"].iloc[0]
    names = there.loc[there["group"] == group, "product_id"].tolist()

    def sent(version: Version) -> set[tuple[str, str]]:
        rows = rows_of(version.products, PUBLISH)
        return set(zip(rows["product_id"], rows["group"], strict=True))

    def check(version: Version) -> None:
        assert {(name, group) for name in names} <= sent(version)
        table = version.products[version.products["group"] == group]
        assert table.loc[table["representative"], "problem"].isna().tolist() == [True]
        shown = GroupList(version.products, np.full((len(version.products), 3), np.nan))
        at = shown.place(group)
        assert at is not None
        assert not np.isnan([shown.score[at], shown.lowest[at]]).any()

    before = nightly.group().version
    nightly.row(names[place])["problem"] = "the file is an HTML page"
    after = nightly.group().version
    assert sent(before) <= sent(after)
    check(after)
    far = nightly.shop.add(1)[0]  # and it stays broken while its block changes
    block = {name: nightly.row(names[0])[name] for name in ("brand", "gender", "article_type")}
    nightly.row(far).update(block)
    nightly.shop.vectors[f"picture of {far}"] = np.eye(16)[0]
    check(nightly.group().version)
    nightly.row(names[place])["problem"] = None
    check(nightly.group().version)


@pytest.mark.parametrize("taken", ["unlocked", "said otherwise", "removed by hand"])
def test_what_people_take_back_frees_the_products_at_once(nightly: Nightly, taken: str) -> None:
    def kept(file: str) -> str:
        return f"{FOLDER}/shop/{file}"

    first = nightly.group().version
    a, b, *_ = nightly.members(first, 3)
    group, brand = groups(first)[a], nightly.row(a)["brand"]
    far = next(one for one in groups(first).index if nightly.row(one)["brand"] != brand)
    say(nightly.project, "shop", far, a, False, "Ada", "")  # a word that stays
    if taken == "unlocked":
        lock(nightly.project, "shop", group, "Ada", "")
    else:
        say(nightly.project, "shop", a, b, False, "Ada", "")
    twin = nightly.twin(a)
    for _ in range(2):
        held = groups(nightly.group().version)
        apart = held[twin] != held[a] if taken == "unlocked" else held[a] != held[b]
        assert apart
    if taken == "unlocked":
        lock(nightly.project, "shop", group, "Ada", "", holds=False)
    elif taken == "said otherwise":
        say(nightly.project, "shop", a, b, True, "Ada", "")
    else:
        lines = nightly.store.read(kept(CORRECTIONS)).splitlines(keepends=True)
        nightly.store.write(kept(CORRECTIONS), b"".join(lines[:-1]))
    free = nightly.group()
    assert free.made
    if taken != "removed by hand":
        assert groups(free.version)[twin] == groups(free.version)[a]
    table = nightly.table().assign(problem=None)
    vectors = np.stack([nightly.shop.vectors[one] for one in table["sha256"]]).astype(np.float16)
    said = said_about(nightly.store, "shop")(table)[1]
    before = load(nightly.store, "shop", free.version.number - 1)
    how = grouper(files="models:/m/1")
    whole = regroup(table, vectors, how, CATALOGUE, before, said, all_blocks=True)
    assert groups(free.version).tolist() == whole.products["group"].tolist()


def test_a_new_word_makes_no_other_block_be_looked_at(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = nightly.group().version
    a, b, *_ = nightly.members(first)
    looked: list[int] = []

    def looking(block: Block, how: Grouper) -> GroupedBlock:
        looked.append(len(block.embeddings))
        return group_block(block, how)

    monkeypatch.setattr(
        "ml.catalogue.memory.group_block",
        looking,
    )
    for same in (False, True):
        say(nightly.project, "shop", a, b, same, "Ada", "")
        nightly.group()
    here = sum(row["brand"] == nightly.row(a)["brand"] for row in nightly.shop.rows)
    assert looked == [here, here]


@pytest.mark.parametrize("killed", ["_write", "write_csv", "note_grouping", "note_told"])
def test_who_is_killed_after_a_version_was_made_is_told_of_it_the_next_time(
    nightly: Nightly, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, killed: str
) -> None:
    noted: list[int] = []

    def note(project: Project, client: object, version: Version, log: object) -> str:
        noted.append(version.number)
        return "run"

    def kill(*given: object) -> None:
        raise KeyboardInterrupt

    @contextmanager
    def kept(*given: object) -> Iterator[pd.DataFrame]:
        yield nightly.table().assign(image=None)

    for name, stands_in in (
        ("kept_shop", kept),
        ("connect", lambda project: None),
        ("note_grouping", note),
        ("stage_log", lambda name: print),
    ):
        monkeypatch.setattr(f"flows.group.{name}", stands_in)
    asked = Asked("shop", SOURCE, {}, "Ada")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(f"flows.group.{killed}", kill)
        _remembered(nightly.project, asked, "models:/m/1", tmp_path, "")
    listed = len(load(nightly.store, "shop", 1).changes)
    assert listed
    for night in range(2):
        found = _remembered(nightly.project, asked, "models:/m/1", tmp_path, "")
        assert found["version"] == 1
        assert found["made"] == bool(found["changes"]) == (night == 0)
        rows = (tmp_path / "changes.csv").read_text().splitlines()[1:]
        assert len(rows) == (0 if night else listed)
    assert noted == [1] * (2 if killed == "note_told" else 1)
