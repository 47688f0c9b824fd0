"""The database of annotations: nothing said is lost, and what people agree on comes out of it."""

import csv
import dataclasses
import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from catalogue import Shop, keep
from conftest import ROOT
from postgres import needs_postgres, running_postgres
from typer.testing import CliRunner

from flows import cli_annotate
from flows.annotate import export_label_studio, export_pairs, import_answers, listed, status
from flows.annotate_doubts import ask_again
from flows.annotations.agreed import agreed
from flows.annotations.batches import Batch, add_batch, batches, find_batch
from flows.annotations.database import FILE, VARIABLE, _engine
from flows.annotations.decisions import (
    add_decisions,
    dealt_to,
    decide,
    last_word,
    pairs_of,
    queue,
    standing,
    undo,
)
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_folder
from flows.lessons import lessons
from flows.local.project import Project
from flows.registry.people import listed_names, names_in
from ml.annotate.assignment import assign
from ml.annotate.consensus import ANSWERS
from ml.annotate.label_studio import task
from ml.annotate.mode import Mode, check_mode
from ml.catalogue.versions import Version, load, save
from ml.core.errors import UserError
from ml.core.files import write_table
from ml.data.annotations import build_annotations, without_selected
from ml.snapshot.corrected_pairs import read_corrected, with_corrections


@pytest.fixture(autouse=True)
def own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def grouped(empty_project: Project) -> Project:
    """A project with one version of the catalogue "shop": p0000 to p0059 in 4 blocks."""
    keep(store_of(empty_project), Shop(0).group())
    return empty_project


def made_products() -> pd.DataFrame:
    return Shop(0).group().products


def name_pictures(project: Project) -> None:
    """Keeps a copy of the shop, which names a picture of each product."""
    catalog = made_products()[["product_id"]].assign(image="images/x.jpg")
    write_table(kept_folder(project, "/shops/shop", {}) / "snapshot/catalog.parquet", catalog)


def block(project: Project, brand: str = "b1") -> list[str]:
    table = Shop(0).group().products
    return table.loc[table["brand"] == brand, "product_id"].tolist()


def batch_of(
    project: Project,
    pairs: list[tuple[str, str]],
    *people: str,
    mode: str = "train",
    catalogue: str = "shop",
) -> Batch:
    table = pd.DataFrame(pairs, columns=["left", "right"]).assign(
        stratum="random", probability=0.5, why="drawn"
    )
    facts = {"catalogue": catalogue, "version": 1, "model": "models:/m/1", "mode": mode}
    facts |= {"seed": 0, "overlap": 0.5 if people else 0.0, "by": "Ada"}
    overlap = float(facts["overlap"])  # type: ignore[arg-type]
    return add_batch(project, facts, table, assign(len(pairs), people, overlap, 0))


def ids(project: Project, batch: Batch) -> list[int]:
    return pairs_of(project, batch)["id"].tolist()


def test_the_newest_word_of_each_person_counts_and_the_same_word_is_kept_once(
    grouped: Project,
) -> None:
    a, b, c, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b), (b, c)])
    first, second = ids(grouped, batch)
    decide(grouped, first, "Ada", "same")
    decide(grouped, first, "Ada", "same")
    decide(grouped, first, "ada ", "different", "  other\u00a0collar ")
    decide(grouped, second, "Bo", "unsure")
    said = standing(grouped, "shop")
    assert said[["by", "answer", "why"]].to_numpy().tolist() == [
        ["ada ", "different", "other collar"],
        ["Bo", "unsure", ""],
    ]
    with closing(sqlite3.connect(grouped.room / FILE)) as database:
        assert database.execute("select count(*) from decisions").fetchone() == (3,)


def test_what_is_taken_back_counts_no_more_and_stays_in_the_history(grouped: Project) -> None:
    a, b, c, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b), (b, c)])
    first, _ = ids(grouped, batch)
    decide(grouped, first, "Ada", "same")
    word = last_word(grouped, batch, "Ada")
    assert word is not None
    with pytest.raises(UserError, match="not your last answer"):
        undo(grouped, word, "Bo", batch)  # of another person
    assert undo(grouped, word, "Ada", batch).id == first
    with pytest.raises(UserError, match="not your last answer"):
        undo(grouped, word, "Ada", batch)  # as by a second press of the key
    assert last_word(grouped, batch, "Ada") is None
    assert len(standing(grouped)) == 0
    assert first in [one.id for one in queue(grouped, batch, "Ada").pairs]
    decide(grouped, first, "Ada", "different")
    assert standing(grouped)["answer"].tolist() == ["different"]
    with closing(sqlite3.connect(grouped.room / FILE)) as database:
        rows = database.execute("select answer from decisions order by id").fetchall()
    assert rows == [("same",), ("undone",), ("different",)]


def test_each_person_is_asked_about_the_pairs_that_were_dealt_to_them(grouped: Project) -> None:
    products = block(grouped)
    batch = batch_of(grouped, [(products[0], one) for one in products[1:9]], "Ada", "Bo")
    assert dealt_to(grouped, batch) == {"Ada": 6, "Bo": 6}
    pairs, left, count = queue(grouped, batch, "ADA")
    assert (len(pairs), left, count) == (2, 6, 6)
    decide(grouped, pairs[0].id, "Ada", "same")
    assert queue(grouped, batch, "Ada").left == 5
    assert queue(grouped, batch, "Bo").left == 6  # also if it was Bo's too
    assert queue(grouped, batch, "Cy") == ([], 0, 0)


def test_in_an_open_batch_nobody_is_asked_what_another_has_answered(grouped: Project) -> None:
    products = block(grouped)
    batch = batch_of(grouped, [(products[0], one) for one in products[1:9]])
    ada, bo = (queue(grouped, batch, who, 99).pairs for who in ("Ada", "Bo"))
    assert ada[0] != bo[0]
    assert sorted(one.id for one in ada) == sorted(one.id for one in bo)
    decide(grouped, ada[0].id, "Ada", "same")
    assert ada[0].id not in [one.id for one in queue(grouped, batch, "Bo", 99).pairs]


def test_what_is_no_answer_is_refused_in_words(grouped: Project) -> None:
    a, b, *_ = block(grouped)
    (pair,) = ids(grouped, batch_of(grouped, [(a, b)]))
    for arguments, words in (
        ((pair, "Ada", "undone", ""), "'undone' is no answer: say same, different, unsure"),
        ((pair + 1, "Ada", "same", ""), "there is no pair"),
        ((pair, "Ada", "same", "x" * 501), "more than 500 characters"),
    ):
        with pytest.raises(UserError, match=words):
            decide(grouped, *arguments)
    assert len(standing(grouped)) == 0
    with pytest.raises(UserError, match=r"no batch is named 'x'; there are: shop-train-1"):
        find_batch(grouped, "x")


def test_batches_get_names_of_their_own(grouped: Project) -> None:
    assert batches(grouped) == []
    assert not (grouped.room / FILE).exists()  # looking makes no database
    a, b, *_ = block(grouped)
    names = [batch_of(grouped, [(a, b)], mode=mode).name for mode in ("train", "train", "test")]
    assert names == ["shop-train-1", "shop-train-2", "shop-test-1"]
    assert [one["pairs"] for one in listed(grouped)] == [1, 1, 1]


def test_only_what_people_agree_on_becomes_annotated_pairs(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, c, d, e, f, g, *_ = block(grouped)
    pairs = [(a, b), (c, d), (e, f), (b, c), (f, g), (g, e)]
    batch = batch_of(grouped, pairs)
    answers: list[dict[str, str]] = [
        {"Ada": "same", "Bo": "same"},
        {"Ada": "same", "Bo": "different"},
        {"Ada": "same"},
        {"Ada": "unsure"},
        {"Ada": "same"},
        {"Bo": "different"},  # against the chain e = f = g
    ]
    for number, said in zip(ids(grouped, batch), answers, strict=True):
        for who, answer in said.items():
            decide(grouped, number, who, answer)
    found = agreed(grouped, "shop")
    assert found.pairs.to_numpy().tolist() == [[a, b, True, "Ada, Bo", "suggested"]]
    assert len(found.doubtful) == 3
    assert found.words() == (
        "1 pairs; 1 in conflict are left out; 1 unsure are left out; 3 of designs that contradict "
        "themselves are left out"
    )
    told = status(grouped, batch.name)
    assert [told[one] for one in ("answered", "same", "different", "unsure")] == [6, 3, 1, 1]
    assert [one["answers"] for one in told["conflicts"]] == [{"Ada": "same", "Bo": "different"}]
    assert json.loads(json.dumps(told))["agreement"]["percent"] == 0.5
    decide(grouped, ids(grouped, batch)[1], "Cy", "different")  # a third settles it
    assert agreed(grouped, "shop").pairs["same"].tolist() == [True, False]


def test_a_pair_of_two_batches_is_one_pair_also_mirrored(grouped: Project) -> None:
    a, b, *_ = block(grouped)
    (one,) = ids(grouped, batch_of(grouped, [(a, b)]))
    (two,) = ids(grouped, batch_of(grouped, [(b, a)], mode="test"))
    decide(grouped, one, "Ada", "same")
    decide(grouped, two, "Ada", "different")
    expected = [[b, a, False, "Ada", "sampled"]]
    assert agreed(grouped, "shop").pairs.to_numpy().tolist() == expected


def test_every_conflict_is_on_the_page_of_its_batches_whose_answers_make_it(
    grouped: Project,
) -> None:
    random, products = np.random.default_rng(0), block(grouped)[:6]
    ends = list(combinations(products, 2))
    made = [
        batch_of(grouped, [(b, a) if one else (a, b) for a, b in ends if random.random() < 0.7])
        for one in range(3)
    ]
    numbers = [(number, str(who)) for one in made for number in ids(grouped, one) for who in "ABC"]
    said = [
        {"pair": number, "by": who, "answer": str(random.choice(ANSWERS)), "why": ""}
        for number, who in numbers
        if random.random() < 0.5
    ]
    add_decisions(grouped, said)
    pages = {one.name: status(grouped, one.name) for one in made}
    found = agreed(grouped, "shop")
    keys = {frozenset(one) for one in found.conflicts[["left", "right"]].to_numpy().tolist()}
    assert keys
    for one in made:
        mine = pairs_of(grouped, one).set_index("id")[["left", "right"]]
        told = {row["pair"]: row for row in pages[one.name]["conflicts"]}
        here = {number: frozenset(pair) for number, *pair in mine.itertuples()}
        assert {here[number] for number in told} == keys & set(here.values())
        for number, row in told.items():
            assert [row["left"], row["right"]] == mine.loc[number].tolist()
            assert {"same", "different"} <= set(row["answers"].values())
    for number, row in told.items():  # a person who has not answered settles it from any page
        decide(grouped, number, "Dee", "same")
        votes = [*row["answers"].values(), "same"]
        settled = 2 * votes.count("same") > len(votes)
        left = [one["pair"] for one in status(grouped, made[-1].name)["conflicts"]]
        assert (number not in left) == settled


def test_pairs_are_exported_with_the_shops_own_and_come_back(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, c, d, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b), (c, d)])
    for number in ids(grouped, batch):
        decide(grouped, number, "=Ada", "same")
    shop, out = tmp_path / "pairs.csv", tmp_path / "out.csv"
    shop.write_text(f"left,right,color_variants,note\n{b},{a},0,x\n{a},{c},0,y\n")
    found, replaced = export_pairs(grouped, "shop", out, shop)
    assert (len(found.pairs), replaced) == (2, 1)
    shop.write_text(f"left,right,color_variants\n{a},{d},0\n{b},{c},1\n")
    with pytest.raises(
        UserError, match=rf"contradict each other: chains .* join {a} and {d}, which"
    ):
        export_pairs(grouped, "shop", out, shop)
    table = pd.read_csv(out, dtype=str, keep_default_na=False)
    assert table.loc[0, ["left", "right", "color_variants", "note"]].tolist() == [a, c, "0", "y"]
    assert table["annotator"].tolist() == ["", "'=Ada", "'=Ada"]  # a spreadsheet runs nothing
    out.write_text(f'left,right,color_variants,annotator\n{a},{b},1,"Bo, Cy"\n{a},{c},,\n')
    told = import_answers(grouped, "shop", out, "train", "Dee")
    assert told == {"answers": 3, "new": 3, "batch": "shop-train-2"}
    assert import_answers(grouped, "shop", out, "train", "Dee")["new"] == 0
    said = standing(grouped, "shop").set_index(["left", "right", "by"])["answer"]
    assert said[a, b, "Bo"] == "same"
    assert said[a, c, "Dee"] == "unsure"


def test_label_studio_gets_the_pictures_of_a_night_of_new_products_too(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b)])
    delta = {"source": "/shops/delta", "columns": {"id": "product_id"}}
    version = load(store_of(grouped), "shop", 1)
    facts = version.facts | {"number": 2, "delta": delta}
    save(store_of(grouped), dataclasses.replace(version, facts=facts))
    whole, part = (
        kept_folder(grouped, "/shops/shop", {}),
        kept_folder(grouped, "/shops/delta", {"id": "product_id"}),
    )
    for folder, product, image in ((whole, a, "old.jpg"), (part, b, "new.jpg")):
        catalog = pd.DataFrame({"product_id": [product], "image": image})
        write_table(folder / "snapshot/catalog.parquet", catalog)
    export_label_studio(grouped, batch.name, tmp_path / "tasks.json", "")
    data = json.loads((tmp_path / "tasks.json").read_text())[0]["data"]
    assert {data["left"], data["right"]} == {"old.jpg", "new.jpg"}


NAMES = ["Lovelace, Ada", "=Ada", "+Bo", "-Cy", "@dee", "'Eve", '"Fay" Low', 'O\'Neill, "Gus"']
IDS = ["=1+1", "-42", "+49", "@a", "'=b", "''-c", "d,e", 'f"g', "'h"]


def test_names_ids_and_comments_come_back_from_an_export_as_they_were(
    empty_project: Project, tmp_path: Path
) -> None:
    made = Shop(0).group()
    of = made.products["brand"].eq("b1")
    products = made.products.assign(product_id=made.products["product_id"].astype(object))
    names = products.index[of][: len(IDS)]
    products.loc[names, "product_id"] = IDS
    facts = {"catalogue": "shop", "source": "/shops/shop", "model": "models:/m/1", "predecessor": 0}
    tables = (made.means, made.changes, made.retired)
    save(store_of(empty_project), Version(made.facts | facts | {"columns": {}}, products, *tables))
    batch = batch_of(empty_project, list(pairwise(IDS)))
    for pair, name in zip(ids(empty_project, batch), NAMES, strict=True):
        for who in (name, "Zoe"):
            decide(empty_project, pair, who, "different", "=a, 'b' \"c\"")
    before, file = standing(empty_project), tmp_path / "pairs.csv"
    export_pairs(empty_project, "shop", file)
    cells = [cell for row in csv.reader(file.open()) for cell in row]
    assert not [one for one in cells if one.startswith(("=", "+", "-", "@"))]
    told = import_answers(empty_project, "shop", file, "train", "Ada")
    assert told == {"answers": 2 * len(NAMES), "new": 0, "batch": None}
    pd.testing.assert_frame_equal(standing(empty_project), before)
    assert names_in(listed_names(NAMES)) == NAMES
    assert names_in(' Bo,Cy , ,"Lovelace, Ada" ') == ["Bo", "Cy", "Lovelace, Ada"]


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_a_file_that_comes_again_overrules_no_newer_word_and_adds_none(
    grouped: Project, tmp_path: Path, kind: str
) -> None:
    a, b, c, d, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b), (c, d)])
    file = tmp_path / f"said.{kind}"
    if kind == "csv":
        file.write_text(f"left,right,color_variants,annotator\n{a},{b},1,Ada\n{d},{c},1,Ada\n")
    else:
        choice = {"from_name": "answer", "value": {"choices": ["same"]}}
        said = {"completed_by": "Ada", "result": [choice], "created_at": "2026-03-09T22:16:08Z"}
        tasks = [task(*ends, ("x", "y"), batch.name) for ends in ((a, b), (c, d))]
        file.write_text(json.dumps([one | {"annotations": [said]} for one in tasks]))

    def new() -> int:
        return int(import_answers(grouped, "shop", file, "train", "Bo")["new"])

    assert [new(), new()] == [2, 0]
    first, second = ids(grouped, batch)
    decide(grouped, first, "ada", "different")
    decide(grouped, second, "Ada", "unsure")
    word = last_word(grouped, batch, "Ada")
    assert word is not None
    undo(grouped, word, "Ada", batch)
    assert standing(grouped)["answer"].tolist() == ["different"]
    assert new() == 0
    again = batch_of(grouped, [(b, a), (c, d)])  # also where the products are asked about again
    assert new() == 0
    decide(grouped, ids(grouped, again)[1], "Ada", "different")
    assert new() == 0
    assert agreed(grouped, "shop").pairs["same"].tolist() == [False, False]
    if kind == "json":  # Ada has changed her mind there, and this is the newest word
        said |= {"result": [choice | {"value": {"choices": ["unsure"]}}]}
        said |= {"updated_at": (datetime.now(UTC) + timedelta(seconds=5)).isoformat()}
        file.write_text(json.dumps([tasks[0] | {"annotations": [said]}]))
        assert [new(), new()] == [1, 0]


def test_answers_go_to_the_batch_that_was_exported_or_dealt_or_waits(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, c, d, *_ = block(grouped)
    first = batch_of(grouped, [(a, b), (c, d)])
    for pair in ids(grouped, first):
        decide(grouped, pair, "Ada", "same")
    doubts = pd.DataFrame({"left": [a], "right": [b], "stratum": "doubt", "probability": None})
    again = ask_again(grouped, "shop", doubts, "train", "Ada")
    later, dealt = batch_of(grouped, [(b, a)]), batch_of(grouped, [(a, b), (c, d)], "Bo", "Cy")
    name_pictures(grouped)
    file = tmp_path / "tasks.json"
    choice = {"from_name": "answer", "value": {"choices": ["different"]}}
    said = {"completed_by": "Dee", "result": [choice], "created_at": "2026-03-09T22:16:08Z"}

    def answered(batch: Batch) -> list[str]:
        return standing(grouped, batch=batch)["by"].tolist()

    export_label_studio(grouped, later.name, file)
    tasks = json.loads(file.read_text())
    file.write_text(json.dumps([one | {"annotations": [said]} for one in tasks]))
    import_answers(grouped, "shop", file, "train", "Eve")
    assert (answered(first), answered(again), answered(later)) == (["Ada", "Ada"], [], ["Dee"])
    file = tmp_path / "pairs.csv"
    file.write_text(f"left,right,color_variants,annotator\n{a},{b},1,Eve\n{d},{c},1,Bo\n")
    import_answers(grouped, "shop", file, "train", "Eve")
    assert answered(again) == ["Eve"]  # which waits
    assert answered(dealt) == ["Bo"]


def test_label_studio_gets_tasks_and_gives_answers_back(grouped: Project, tmp_path: Path) -> None:
    a, b, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b)])
    file = tmp_path / "tasks.json"
    with pytest.raises(UserError, match="no copy on this machine"):
        export_label_studio(grouped, batch.name, file)
    name_pictures(grouped)
    assert export_label_studio(grouped, batch.name, file, "https://x.example/") == 1
    tasks = json.loads(file.read_text())
    assert tasks[0]["data"]["left"].startswith("https://x.example/images/")
    result = {"from_name": "answer", "to_name": "left", "type": "choices"}
    choice = result | {"value": {"choices": ["different"]}}
    annotation = {"completed_by": 3, "result": [choice], "created_at": "2026-03-09T22:16:08Z"}
    file.write_text(json.dumps([tasks[0] | {"annotations": [annotation]}]))
    told = import_answers(grouped, "shop", file, "train", "Ada")
    assert told == {"answers": 1, "new": 1, "batch": None}
    said = standing(grouped, batch=batch)
    assert said[["by", "answer", "when"]].to_numpy().tolist() == [
        ["account 3", "different", "2026-03-09T22:16:08+00:00"]
    ]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("p.csv", "left,right\na,b\n", "lacks color_variants"),
        ("p.csv", "left,right,color_variants\n,b,1\n", "line 2: left and right must each name"),
        ("p.csv", "left,right,color_variants\np0000,p0000,1\n", "paired with itself"),
        ("p.csv", "left,right,color_variants\np0000,zebra,1\n", "have no product zebra"),
        ("p.csv", "left,right,color_variants\n{a},{b},1\n{b},{a},0\n", "says two things about"),
        ("p.csv", "left,right,color_variants,annotator\n{a},{b},1,А\u0064a\n", "two scripts"),
        ("p.csv", "left,right,color_variants\n", "holds no answers"),
        ("p.json", "{", "is no JSON"),
        ("p.json", "[]", "holds no answers"),
    ],
)
def test_a_file_that_cannot_be_taken_over_leaves_nothing(
    grouped: Project, tmp_path: Path, name: str, text: str, words: str
) -> None:
    a, b, *_ = block(grouped)
    file = tmp_path / name
    file.write_text(text.replace("{a}", a).replace("{b}", b))
    with pytest.raises(UserError, match=words):
        import_answers(grouped, "shop", file, "train", "Ada")
    assert batches(grouped) == []


def test_a_retraining_learns_what_annotators_agree_on_and_corrections_count_more(
    grouped: Project, tmp_path: Path
) -> None:
    from flows.corrections import say

    a, b, c, d, *_ = block(grouped)
    batch = batch_of(grouped, [(a, b), (c, d)])
    tests = batch_of(grouped, [(a, d)], mode="test")
    for number in [*ids(grouped, batch), *ids(grouped, tests)]:
        decide(grouped, number, "Ada", "different")
    say(grouped, "shop", b, a, True, "Bo", "")
    lines = list[str]()
    file = lessons(grouped, "/shops/shop", "", "", tmp_path, lines.append)
    assert file is not None
    assert file.read_text() == (
        "left,right,color_variants,annotator,origin\n"
        f"{b},{a},1,Bo,correction\n{c},{d},0,Ada,suggested\n{a},{d},0,Ada,sampled\n"
    )
    assert lines == [
        "corrections of the catalogue shop",
        "annotations of the catalogue shop: 2 pairs; 1 are left out since a correction is about "
        "them",
    ]
    assert lessons(grouped, "/shops/shop", "none", "none", tmp_path, print) is None
    assert lessons(grouped, "/shops/other", "", "", tmp_path, lines.append) is None
    assert "the annotations of shop are not learnt from, unless --annotations" in lines[-1]


def test_of_several_catalogues_of_a_source_each_pair_is_learnt_once(
    grouped: Project, tmp_path: Path
) -> None:
    store, (a, b, c, d, e, f, *_) = store_of(grouped), block(grouped)
    version = load(store, "shop", 1)
    tables = (version.products, version.means, version.changes, version.retired)
    save(store, Version(version.facts | {"catalogue": "shop2"}, *tables))
    first, second = (
        batch_of(grouped, [(a, b), (c, d), (e, f)]),
        batch_of(grouped, [(a, b), (d, c), (f, e)], catalogue="shop2"),
    )
    for batch, words in ((first, "same same same"), (second, "same same different")):
        for pair, answer in zip(ids(grouped, batch), words.split(), strict=True):
            decide(grouped, pair, "Ada" if batch == first else "Bo", answer)
    lines = list[str]()
    file = lessons(grouped, "/shops/shop", "", "", tmp_path, lines.append)
    assert file is not None
    said = pd.read_csv(file)
    assert said["annotator"].tolist() == ["Ada, Bo", "Ada, Bo"]
    assert said["color_variants"].tolist() == [1, 1]
    assert lines == [
        "annotations of the catalogue shop, shop2: 2 pairs; 1 in conflict are left out"
    ]


def test_many_at_once_are_all_heard(grouped: Project) -> None:
    products = block(grouped)
    batch = batch_of(grouped, [(products[0], one) for one in products[1:9]])

    def answers(who: str) -> None:
        for number in ids(grouped, batch):
            decide(grouped, number, who, "same")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(answers, [f"person {number}" for number in range(8)]))
    assert len(standing(grouped)) == 64


def test_the_commands_say_what_there_is_and_what_to_do(
    grouped: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grouped.root)

    def said(*arguments: str, code: int = 0) -> str:
        found = CliRunner().invoke(cli_annotate.annotate, arguments)
        if isinstance(found.exception, UserError):
            return str(found.exception)
        assert found.exit_code == code, found.output
        return " ".join(found.output.split())

    assert "no batch yet: `variants annotate suggest" in said("list")
    assert "there are: none yet" in said("status", "shop-train-1")
    out = tmp_path / "pairs.csv"
    assert "nobody has decided a pair of 'shop' yet" in said("export", "--out", str(out))
    a, b, c, *_ = block(grouped)
    out.write_text(f"left,right,color_variants\n{a},{b},1\n{b},{c},0\n")
    told = said("import", str(out), "--by", "Ada")
    assert told == "2 answers, 2 of them new; new pairs are in the batch shop-train-1"
    assert "'exam' is no mode: take train or test" in said("import", str(out), "--mode", "exam")
    assert "'exam' is no mode" in said("suggest", "--mode", "exam")
    assert "2 of 2" in said("list")
    assert "2 of 2 pairs answered; 1 same, 1 different" in said("status", "shop-train-1")
    assert said("export", "--out", str(out)) == f"2 pairs: {out}".replace("\n", "")
    tasks = ("export", "--out", str(out), "--format", "label-studio")
    assert "name a batch" in said(*tasks, code=2)
    assert "take pairs or label-studio" in said(
        "export", "--out", str(out), "--format", "x", code=2
    )


WRITER = """
import sys
from pathlib import Path
from flows.annotations.batches import find_batch
from flows.annotations.decisions import decide, pairs_of
from flows.local.project import Project
project, who = Project(Path(sys.argv[1])), sys.argv[2]
for place, number in enumerate(pairs_of(project, find_batch(project, "shop-train-1"))["id"]):
    decide(project, int(number), who, "same", str(place))
    print(place, flush=True)
"""


def writing(project: Project, who: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(project.root), who]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if request.param == "sqlite":
        yield
        return
    with running_postgres("annotations") as address:
        monkeypatch.setenv(VARIABLE, f"{address}/annotations")
        yield
        _engine(f"{address}/annotations").dispose()


@pytest.mark.full
def test_two_processes_write_at_once_and_a_kill_loses_nothing_that_was_said(
    grouped: Project, database: None
) -> None:
    products = Shop(0).group().products["product_id"].tolist()
    batch = batch_of(grouped, [(products[0], one) for one in products[1:]])
    one, two = writing(grouped, "Ada"), writing(grouped, "Bo")
    assert one.stdout is not None
    for _ in range(20):
        said = int(one.stdout.readline())
    one.send_signal(signal.SIGKILL)
    assert two.wait(60) == 0
    one.wait(60)
    said = max([said, *map(int, one.stdout.read().split())])
    counts = standing(grouped, "shop").groupby("by").size()
    assert counts["Bo"] == len(products) - 1
    assert counts["Ada"] in (said + 1, said + 2)  # the last one may not have been told
    first = ids(grouped, batch)[0]
    decide(grouped, first, "Ada", "unsure")  # and nobody waits for the dead one
    word = last_word(grouped, batch, "Ada")
    assert word is not None
    assert undo(grouped, word, "Ada", batch).id == first
    assert queue(grouped, batch, "Cy").left == 0
    assert listed(grouped)[0]["answered"] == len(products) - 1
    assert status(grouped, batch.name)["people"]["Bo"]["answers"] == len(products) - 1


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "mysterious://ada:S3CRET-S3CRET@host/db",
        "postgresql://ada:S3CRET-S3CRET@127.0.0.1:9/db",
        "sqlite:////proc/nowhere/annotations.db",
        "sqlite://",
    ],
)
def test_a_database_that_cannot_be_used_is_told_without_its_password(
    grouped: Project, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv(VARIABLE, url)
    with pytest.raises(UserError, match=VARIABLE) as refusal:
        batches(grouped)
    assert "S3CRET" not in str(refusal.value)


def imported(project: Project, folder: Path, pairs: pd.DataFrame, mode: Mode) -> None:
    pairs.to_csv(folder / "said.csv", index=False)
    import_answers(project, "shop", folder / "said.csv", mode, "Ada")


def test_whoever_looks_again_at_the_shops_pairs_takes_none_from_comparisons(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, c, d, e, f, *_ = block(grouped)
    ends = pd.DataFrame([(a, b), (c, d), (e, f), (a, c)], columns=["left", "right"])
    pairs, catalog = ends.assign(color_variants=[1, 1, 1, 0]), made_products()
    said = ends.assign(color_variants=[1, 0, 1, 0])  # one is changed, the others are confirmed

    def compared(table: pd.DataFrame | None) -> int:
        assert table is not None
        return len(build_annotations(catalog, without_selected(table)).block_pairs)

    assert compared(pairs) == 15
    for by in ("import train", "doubt", "train", "import test", "test"):
        if by.startswith("import"):
            imported(grouped, tmp_path, said, check_mode(by.split()[1]))
        else:
            again = ends.assign(stratum="doubt", probability=None)
            batch = (
                ask_again(grouped, "shop", again, "test", "Bo")
                if by == "doubt"
                else batch_of(grouped, list(map(tuple, ends.to_numpy(str).tolist())), mode=by)
            )
            for pair, same in zip(ids(grouped, batch), said["color_variants"], strict=True):
                decide(grouped, pair, "Ada", "same" if same else "different")
        file = lessons(grouped, "/shops/shop", "", "", tmp_path, print)
        assert file is not None
        both = with_corrections(pairs, read_corrected(file), catalog, print)
        assert compared(both) == 15, by
        assert both is not None
        assert both["origin"].isna().all(), by
        found = both.set_index(["left", "right"])["color_variants"]
        assert found.to_dict() == said.set_index(["left", "right"])["color_variants"].to_dict()


def test_only_what_was_drawn_is_a_fresh_test_pair(grouped: Project, tmp_path: Path) -> None:
    a, b, c, d, e, f, *_ = block(grouped)
    drawn = batch_of(grouped, [(a, b)], mode="test")
    chosen = pd.DataFrame({"left": [c], "right": [d], "stratum": "doubt", "probability": None})
    for batch in (drawn, ask_again(grouped, "shop", chosen, "test", "Ada")):
        decide(grouped, ids(grouped, batch)[0], "Ada", "same")
    imported(
        grouped, tmp_path, pd.DataFrame({"left": [e], "right": f, "color_variants": 1}), "test"
    )
    assert agreed(grouped, "shop").pairs["origin"].tolist() == ["sampled", "suggested", "suggested"]
