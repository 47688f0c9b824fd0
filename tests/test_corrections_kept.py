"""What people say of a catalogue is checked, kept whole, and reaches groupings and retrainings."""

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import Shop, grouper, groups, keep, together
from conftest import ROOT
from typer.testing import CliRunner

from flows.catalogue.corrections import CORRECTIONS, append, read_corrections, said_about, tell_of
from flows.catalogue.embeddings import Embedded
from flows.catalogue.grouping import Asked, group_catalogue
from flows.catalogue.overruled import corrected
from flows.catalogue.places import store_of
from flows.cli import app
from flows.corrections import correct, corrections_of, lock, say, withdraw
from flows.gate.judged_pairs import load_judged_pairs
from flows.lessons import lessons
from flows.local.project import Project
from ml.catalogue.corrections import check_corrections, standing
from ml.catalogue.memory import Said, as_said
from ml.catalogue.nearest_ids import nearest_ids
from ml.catalogue.overruled import overruled_model
from ml.catalogue.store import Store
from ml.catalogue.versions import FOLDER, Version
from ml.core.errors import UserError
from ml.core.files import write_table
from ml.core.paths import PREPARED
from ml.data.annotations import build_annotations, without_selected
from ml.evaluate.corrected import on_corrections
from ml.promote.policy import load_policy
from ml.snapshot.corrected_pairs import read_corrected, with_corrections
from ml.train.model_selection import DevCurve
from ml.train.pair_labels import build_pair_labels
from ml.validate.contradictions import contradicts

FILE = f"{FOLDER}/shop/{CORRECTIONS}"


@pytest.fixture
def grouped(empty_project: Project) -> Project:
    """A project with one version of the catalogue "shop": p0000 to p0059 in 4 blocks."""
    keep(store_of(empty_project), Shop(0).group())
    return empty_project


def block_of(project: Project, brand: str = "b1") -> list[str]:
    products = Shop(0).group().products
    return products.loc[products["brand"] == brand, "product_id"].tolist()


def test_a_word_is_kept_and_the_next_grouping_holds_it(grouped: Project) -> None:
    store, shop = store_of(grouped), Shop(0)
    before = shop.group()
    table = before.products
    pairs = table[table["brand"] == "b1"].reset_index()
    a, b = (
        pairs["product_id"][0],
        pairs.loc[pairs["group"] != pairs["group"][0], "product_id"].iloc[0],
    )
    size = table.groupby("group")["group"].transform("size")
    c, d = table.loc[table["group"] == table.loc[size > 1, "group"].iloc[0], "product_id"][:2]
    say(grouped, "shop", a, b, True, "Ada", "one print")
    found = say(grouped, "shop", c, d, False, "Ada", "two prints")
    assert found == {"catalogue": "shop", "rows": 1, "standing": 2}
    assert [one["state"] for one in corrections_of(grouped, "shop")["corrections"]] == ["waits"] * 2
    held, said, digest, *_ = said_about(store, "shop")(table)
    after = shop.group(before, said=said)
    group = after.products.set_index("product_id")["group"]
    assert group[a] == group[b]
    assert group[c] != group[d]
    vectors = np.stack([shop.vectors[one] for one in table["sha256"]]).astype(np.float16)
    readable = np.ones(len(table), bool)
    count = overruled_model(vectors, grouper(), held, readable)
    assert count == 2  # this model alone would have decided both otherwise
    facts = after.facts | {"overruled": count, "of_said": 2, "corrections": digest}
    keep(store_of(grouped), replace(after, facts=facts))
    assert [one["state"] for one in corrections_of(grouped, "shop")["corrections"]] == ["holds"] * 2
    expected = {"version": 2, "catalogue": "shop", "model": "models:/m/1"}
    assert corrected(grouped) == [expected | {"overruled": 2, "of_said": 2}]


def test_what_cannot_hold_is_refused_at_once_and_nothing_is_kept(grouped: Project) -> None:
    a, b, c = block_of(grouped)[:3]
    other = block_of(grouped, "b2")[0]
    say(grouped, "shop", a, b, True, "Ada", "")
    say(grouped, "shop", b, c, True, "Bo", "")
    before = store_of(grouped).read(FILE)
    with pytest.raises(UserError, match=rf"{a} = {b} \(Ada, .*{b} = {c} \(Bo, .*but {a} ≠ {c}"):
        say(grouped, "shop", a, c, False, "Cy", "")
    with pytest.raises(UserError, match=r"only grouped within one brand, gender and article type"):
        say(grouped, "shop", a, other, True, "Cy", "")
    with pytest.raises(UserError, match=r"no product 'p000O' \(is it p000"):
        say(grouped, "shop", a, "p000O", True, "Cy", "")
    with pytest.raises(UserError, match=r"no catalogue 'shoes' is grouped; there are: shop"):
        say(grouped, "shoes", a, b, True, "Cy", "")
    with pytest.raises(UserError, match="paired with itself"):
        say(grouped, "shop", a, a, True, "Cy", "")
    assert store_of(grouped).read(FILE) == before


def test_of_a_file_all_rows_are_kept_or_none(grouped: Project, tmp_path: Path) -> None:
    a, b, c = block_of(grouped)[:3]
    file = tmp_path / "words.csv"
    file.write_text(f"left,right,same,why\n{a},{b},yes,=HYPERLINK(1)\n{b},nobody,no,\n")
    with pytest.raises(UserError, match="no product 'nobody'"):
        correct(grouped, "shop", file, "Ada")
    assert not store_of(grouped).exists(FILE)
    file.write_text(f"left;right;same;by;when\n{a};{b};1;Bo;2026-01-02\n{b};{c};0;;\n")
    assert correct(grouped, "shop", file, "Ada")["rows"] == 2
    kept = read_corrections(store_of(grouped), "shop")
    assert kept["by"].tolist() == ["Bo", "Ada"]
    assert kept["when"][0] == "2026-01-02T00:00:00+00:00"
    file.write_text(f"left,right,same,by\n{a},{c},0,А\u0064a\n")
    with pytest.raises(UserError, match=r"words\.csv, column by: it needs a name that cannot be"):
        correct(grouped, "shop", file, "Ada")
    with pytest.raises(UserError, match="cannot be read"):
        correct(grouped, "shop", tmp_path / "none.csv", "Ada")


def test_a_group_is_locked_with_its_members_until_it_is_unlocked(grouped: Project) -> None:
    table = Shop(0).group().products
    size = table.groupby("group")["group"].transform("size")
    group = table.loc[size > 1, "group"].iloc[0]
    members = table.loc[table["group"] == group, "product_id"].tolist()
    mates = table[table["brand"] == table.loc[table["group"] == group, "brand"].iloc[0]]
    outside = mates.loc[mates["group"] != group, "product_id"].iloc[0]
    assert lock(grouped, "shop", group, "Ada", "checked")["members"] == members
    with pytest.raises(UserError, match=rf"group {group} is locked without {outside}"):
        say(grouped, "shop", members[0], outside, True, "Bo", "")
    with pytest.raises(UserError, match="locked already, by Ada"):
        lock(grouped, "shop", group, "Bo", "")
    assert corrections_of(grouped, "shop")["locks"] == {group: len(members)}
    unlocked = lock(grouped, "shop", group, "Ada", "", holds=False)
    assert unlocked["members"] == members
    say(grouped, "shop", members[0], outside, True, "Bo", "")
    with pytest.raises(UserError, match=r"no such locked group .* none is locked"):
        lock(grouped, "shop", group, "Ada", "", holds=False)
    with pytest.raises(UserError, match="no such group"):
        lock(grouped, "shop", "nothing", "Ada", "")


def test_a_group_that_waits_for_a_correction_cannot_be_locked(grouped: Project) -> None:
    table = Shop(0).group().products
    size = table.groupby("group")["group"].transform("size")
    group = table.loc[size > 1, "group"].iloc[0]
    a, b = table.loc[table["group"] == group, "product_id"][:2]
    say(grouped, "shop", a, b, False, "Ada", "")
    with pytest.raises(UserError, match=rf"locked in group {group}: Bo, .*but {a} ≠ {b}"):
        lock(grouped, "shop", group, "Bo", "")


def test_corrections_of_many_at_once_are_all_kept(grouped: Project) -> None:
    names = block_of(grouped)
    pairs = [(names[0], other) for other in names[1:9]]
    threads = [
        threading.Thread(target=say, args=(grouped, "shop", a, b, False, "Ada", ""))
        for a, b in pairs
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    kept = read_corrections(store_of(grouped), "shop")
    assert sorted(zip(kept["left"], kept["right"], strict=True)) == sorted(pairs)


def test_a_correction_of_a_product_that_is_gone_is_told_by_every_grouping(
    grouped: Project,
) -> None:
    a, b = block_of(grouped)[:2]
    say(grouped, "shop", a, b, True, "Ada", "")
    shop, lines = Shop(0), list[str]()
    shop.rows = [row for row in shop.rows if row["product_id"] != a]
    table = shop.group().products
    tell_of(said_about(store_of(grouped), "shop")(table)[0], lines.append)
    assert f"1 corrections ({a} and {b}) are of products that the catalogue no longer" in lines[0]
    again = shop.group()
    keep(store_of(grouped), replace(again, facts=again.facts | {"number": 2}, products=table))
    assert corrections_of(grouped, "shop")["corrections"][0]["state"] == "gone"


def test_the_commands_say_list_and_refuse(
    grouped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grouped.root)
    monkeypatch.setattr("flows.cli_corrections.find_project", lambda: grouped)
    a, b = block_of(grouped)[:2]
    runner = CliRunner()
    done = runner.invoke(app, ["groups", "same", a, b, "--by", "Ada", "--why", "\x1b[31m[red]x"])
    assert done.exit_code == 0, done.output
    assert "1 corrections of shop stand" in done.output
    listed = runner.invoke(app, ["groups", "corrections"])
    assert listed.exit_code == 0, listed.output
    assert "[red]x" in listed.output
    assert "\x1b[31m" not in listed.output
    assert "1 corrections and 0 locks stand" in listed.output
    refused = runner.invoke(app, ["groups", "different", a, "p9", "--by", "Ada"])
    assert isinstance(refused.exception, UserError)
    nobody = runner.invoke(app, ["groups", "same", a, b, "--by", " "])
    assert "needs a name" in str(nobody.exception)


def test_mistyped_ids_are_guessed_among_many() -> None:
    known = [f"item-{one:07}" for one in range(20_000)]
    assert {one[:-1] for one in nearest_ids("item-001234S", known)} == {"item-001234"}
    assert nearest_ids("litem-0012345", known)[0] == "item-0012345"
    assert nearest_ids("wholly different", known) == []


def pairs_of(*rows: tuple[str, str, int]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["left", "right", "color_variants"])
    return table.assign(confidence="medium").astype({"color_variants": "Int8"})


CATALOG = pd.DataFrame(
    {"product_id": list("abcdef"), "brand": list("xxxxyy"), "gender": "Men", "article_type": "Tops"}
)


def test_corrections_become_pairs_and_replace_those_of_the_same_products(tmp_path: Path) -> None:
    file, lines = tmp_path / "corrections.csv", list[str]()
    file.write_text(
        "left,right,color_variants,annotator,origin\nb,a,0,Ada,correction\nc,d,1,Bo,correction\n"
        "a,e,1,Bo,correction\nz,a,1,Bo,suggested\n"
    )
    pairs = pairs_of(("a", "b", 1), ("a", "c", 1))
    both = with_corrections(pairs, read_corrected(file), CATALOG, lines.append)
    assert both is not None
    listed = both[["left", "right", "color_variants", "origin"]].to_numpy().tolist()
    assert listed == [["a", "c", 1, None], ["b", "a", 0, "correction"], ["c", "d", 1, "correction"]]
    assert both["confidence"].tolist() == ["medium", "high", "high"]
    assert both["color_variants"].dtype == "Int8"
    assert lines == [
        "2 corrections become annotated pairs; 1 are of products that the shop no longer has; 1 "
        "are of products of two blocks; 1 of them replace what the shop's pairs say"
    ]
    alone = with_corrections(None, read_corrected(file), CATALOG, lines.append)
    assert alone is not None
    assert alone["origin"].tolist() == ["correction"] * 2


def test_comparisons_leave_corrections_out_and_training_takes_them() -> None:
    pairs = pd.concat(
        [pairs_of(("a", "b", 1)), pairs_of(("a", "c", 1)).assign(origin="correction")]
    )
    assert build_annotations(CATALOG, pairs).usable == 2
    assert build_annotations(CATALOG, without_selected(pairs)).usable == 1
    assert len(without_selected(pairs.drop(columns="origin"))) == 2


def test_a_correction_against_a_chain_of_the_shops_pairs_breaks_the_contract() -> None:
    words = pd.DataFrame({"left": ["a"], "right": ["c"], "annotator": ["Ada"]})
    words = words.assign(origin="correction", color_variants=pd.Series([0], dtype="Int8"))
    pairs = pairs_of(("a", "b", 1), ("b", "c", 1))
    both = with_corrections(pairs, words, CATALOG, lambda line: None)
    assert both is not None
    assert contradicts(both).tolist() == [False, False, True]


def test_corrections_are_measured_by_themselves() -> None:
    pairs = pairs_of(("a", "b", 1), ("a", "c", 0), ("e", "f", 1), ("b", "d", 1))
    pairs = pairs.assign(origin=["correction", "correction", "correction", "a person"])
    products = CATALOG.assign(split=["test"] * 4 + ["train"] * 2)
    embeddings = np.eye(3)[[0, 0, 1, 1, 1, 2]]
    found = on_corrections(products, pairs, embeddings, 0.5)
    right = {"test": {"pairs": 2, "right": 1.0}, "train": {"pairs": 1, "right": 0.0}}
    assert found == {"corrections": right}
    assert on_corrections(products, pairs[3:], embeddings, 0.5) == {}


def test_a_retraining_learns_from_the_catalogue_of_its_source(
    grouped: Project, tmp_path: Path
) -> None:
    a, b, c = block_of(grouped)[:3]
    assert lessons(grouped, "/shops/shop", "", "", tmp_path, print) is None
    rows = pd.DataFrame({"left": [a, a], "right": [b, c], "same": ["1", "0"]}, dtype=object)
    append(store_of(grouped), "shop", CORRECTIONS, check_corrections(rows, "", "Ada"))
    say(grouped, "shop", b, a, False, "Bo", "")  # the newest word
    file = lessons(grouped, "/shops/shop", "", "", tmp_path, print)
    assert file is not None
    assert file.read_text() == (
        f"left,right,color_variants,annotator,origin\n{a},{c},0,Ada,correction\n"
        f"{b},{a},0,Bo,correction\n"
    )
    lines = list[str]()
    assert lessons(grouped, "/shops/other", "", "", tmp_path, lines.append) is None
    assert "the corrections of shop are not learnt from" in lines[0]
    assert lessons(grouped, "/shops/other", "shop", "", tmp_path, print) is not None
    assert lessons(grouped, "/shops/shop", "none", "", tmp_path, print) is None
    with pytest.raises(UserError, match="no catalogue 'shoes'"):
        lessons(grouped, "/shops/shop", "shoes", "", tmp_path, print)


def test_corrections_hold_through_another_model_and_back(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A promotion and a rollback are groupings by another model and by the earlier one."""
    (empty_project.root / "params.yaml").write_text("catalogue: {margin: 0.05, refresh: 1.5}\n")
    models = {"models:/m/1": Shop(0), "models:/m/2": Shop(1)}  # the same products, seen otherwise

    def embedded(
        project: Project, store: Store, uri: str, table: pd.DataFrame, *rest: object
    ) -> Embedded:
        vectors: Any = np.stack([models[uri].vectors[one] for one in table["sha256"]])
        problems = np.full(len(table), None, dtype=object)
        how = grouper("average", files=uri)
        return Embedded(vectors.astype(np.float16), problems, len(table), how)

    monkeypatch.setattr("flows.catalogue.grouping.embedded", embedded)
    table = pd.DataFrame(models["models:/m/1"].rows).drop(columns="problem").assign(image="x")
    table = table.astype(object).assign(group="theirs", shop_group="theirs too", band=1)

    def group(uri: str) -> tuple[Version, list[str]]:
        lines = list[str]()
        asked = Asked("shop", "/shops/shop", {}, "Ada")
        found = group_catalogue(
            empty_project, store_of(empty_project), asked, uri, table, lines.append
        )
        return found.version, lines

    group("models:/m/1")
    random, rows = np.random.default_rng(3), []
    design = dict(zip(table["product_id"], random.integers(0, 4, len(table)), strict=True))
    for _, block in table.groupby("brand"):
        for _ in range(10):
            a, b = random.choice(block["product_id"], 2, replace=False)
            rows.append({"left": a, "right": b, "same": str(int(design[a] == design[b]))})
    said = check_corrections(pd.DataFrame(rows, dtype=object), "words", "Ada")
    append(store_of(empty_project), "shop", CORRECTIONS, said)
    for uri in ("models:/m/1", "models:/m/2", "models:/m/1"):
        version, _ = group(uri)
        states = {one["state"] for one in corrections_of(empty_project, "shop")["corrections"]}
        assert states == {"holds"}
        assert 0 < version.facts["overruled"] < version.facts["of_said"] == len(standing(said))
    table = table[table["product_id"] != said["left"][0]]
    version, lines = group("models:/m/1")
    assert "are of products that the catalogue no longer has" in lines[-1]
    assert version.facts["of_said"] < len(standing(said))
    name = version.products["group"].value_counts().idxmax()
    locked = set(lock(empty_project, "shop", name, "Ada", "")["members"])
    for uri in ("models:/m/1", "models:/m/2", "models:/m/1"):
        version, _ = group(uri)
        held = version.products["product_id"].isin(locked)
        assert set(version.products["group"][held]) == {name}
        assert not (version.products["group"][~held] == name).any()
    assert set(version.products["shop_shop_group"]) == {"theirs"}  # columns named like ours stay
    assert set(version.products["shop_group"]) == {"theirs too"}


def test_every_word_of_a_chain_through_a_product_that_is_gone_can_be_turned(
    grouped: Project,
) -> None:
    shop = Shop(0)
    before = shop.group()
    a, gone, b = block_of(grouped)[:3]
    say(grouped, "shop", a, gone, True, "Ada", "")
    say(grouped, "shop", gone, b, True, "Ada", "")
    shop.rows = [row for row in shop.rows if row["product_id"] != gone]
    keep(store_of(grouped), shop.group(before))
    with pytest.raises(UserError, match="say the right word"):
        say(grouped, "shop", a, b, False, "Bo", "")
    say(grouped, "shop", a, gone, False, "Bo", "")
    say(grouped, "shop", a, b, False, "Bo", "")
    with pytest.raises(UserError, match="have no product 'never-there'"):
        say(grouped, "shop", a, "never-there", True, "Bo", "")


def test_a_word_that_is_withdrawn_is_history_and_neither_grouped_nor_learnt(
    grouped: Project, tmp_path: Path
) -> None:
    shop, store = Shop(0), store_of(grouped)
    before = shop.group()
    mates = groups(before)
    a, b = block_of(grouped)[:2]
    say(grouped, "shop", a, b, mates[a] != mates[b], "Ada", "")  # the opposite of what is

    def grouped_again() -> Version:
        said = said_about(store, "shop")(pd.DataFrame(shop.rows)).said
        return shop.group(before, said=said, anew=True)

    turned = groups(grouped_again())
    assert (turned[a] == turned[b]) != (mates[a] == mates[b])
    assert withdraw(grouped, "shop", b, a, "Bo", "a slip")["standing"] == 0
    assert together(grouped_again()) == together(before)
    told = corrections_of(grouped, "shop")
    assert (told["corrections"], told["history"]) == ([], 2)
    assert lessons(grouped, "/shops/shop", "", "", tmp_path, print) is None
    assert store.read(FILE).decode().splitlines()[-1].split(",")[:4] == [b, a, "withdrawn", "Bo"]
    say(grouped, "shop", a, b, True, "Cy", "")  # a new word counts again
    assert standing(read_corrections(store, "shop"))["same"].tolist() == [True]


def test_only_what_stands_can_be_withdrawn(grouped: Project, tmp_path: Path) -> None:
    a, b, c = block_of(grouped)[:3]
    say(grouped, "shop", a, b, True, "Ada", "")
    say(grouped, "shop", b, c, True, "Ada", "")
    kept = store_of(grouped).read(FILE)
    with pytest.raises(UserError, match=f"nothing stands about {a} and {c}.*one of its words"):
        withdraw(grouped, "shop", a, c, "Ada", "")  # it follows from the two others
    assert store_of(grouped).read(FILE) == kept
    file = tmp_path / "words.csv"
    file.write_text(f"left,right,same\n{a},{b},withdrawn\n{a},{c},0\n{c},{b},Withdrawn\n")
    assert correct(grouped, "shop", file, "Ada")["standing"] == 1
    with pytest.raises(UserError, match="nothing stands"):
        correct(grouped, "shop", file, "Ada")


def test_words_that_were_kept_before_any_could_be_withdrawn_have_the_digest_that_they_had() -> None:
    rows = pd.DataFrame({"left": ["a"], "right": ["b"], "same": ["1"], "by": ["Ada"]}, dtype=object)
    said = check_corrections(rows.assign(when="2026-01-02", why=""), "", "")
    as_bool = said.astype({"same": bool})
    assert said.to_csv() == as_bool.to_csv()  # which the versions of a catalogue hold


def test_words_about_products_without_a_readable_picture_hold_too(grouped: Project) -> None:
    shop = Shop(0)
    before = shop.group()
    a, b, c, d, e = block_of(grouped)[:5]
    for row in shop.rows:
        if row["product_id"] in (b, d):
            row["problem"] = "the file is an HTML page"
    say(grouped, "shop", b, a, True, "Ada", "")  # a = b = c: b cannot be read, but joins a and c
    say(grouped, "shop", b, c, True, "Ada", "")
    mates = before.products.set_index("product_id")["group"]
    say(grouped, "shop", d, e, mates[d] != mates[e], "Ada", "")  # the opposite of what is
    said = said_about(store_of(grouped), "shop")(pd.DataFrame(shop.rows)).said
    group = shop.group(before, said=said).products.set_index("product_id")["group"]
    assert group[a] == group[b] == group[c]
    assert (group[d] == group[e]) == (mates[d] != mates[e])


def test_products_that_cannot_be_read_are_parted_with_all_that_they_are_joined_to() -> None:
    readable = np.array([True, False, False])
    nothing = np.full(3, -1)
    said = Said(np.array([[1, 2]]), np.array([[0, 1]]), nothing, nothing >= 0)
    label = as_said(np.zeros(3, int), np.zeros(3, int), readable, said)
    assert label[0] != label[1] == label[2]


@pytest.mark.parametrize("labels", [[1, 0], [0, 1]])
def test_the_gate_measures_the_same_with_and_without_selected(
    tmp_path: Path, labels: list[int]
) -> None:
    products = pd.DataFrame({"product_id": list("abcdef"), "split": "test", "brand": "x"})
    products = products.assign(gender="Men", article_type="Tops", sha256=list("ABCDEF"))
    write_table(tmp_path / PREPARED / "products.parquet", products)
    for name, shape in (("images", (6, 8, 8, 3)), ("masks", (6, 8, 8))):
        np.save(tmp_path / PREPARED / f"{name}.npy", np.full(shape, 99, np.uint8))
    fair = pairs_of(("a", "b", 1), ("c", "d", 1), ("a", "c", 0)).assign(origin=None)
    asked = pairs_of(("a", "d", labels[0]), ("e", "f", labels[1])).assign(origin="correction")
    policy = load_policy(ROOT / "mlflow/promotion.yaml").gate
    found = []
    for pairs in (fair, pd.concat([fair, asked])):
        write_table(tmp_path / PREPARED / "pairs.parquet", pairs)
        found.append(load_judged_pairs(tmp_path, policy))
    assert found[0].sketch == found[1].sketch
    assert found[0].annotated.tolist() == found[1].annotated.tolist() == [0, 1, 2, 3]


def test_corrections_of_train_products_train_and_those_of_others_never() -> None:
    products = CATALOG.assign(brand="x", split=["train"] * 4 + ["test", "test"])
    pairs = pairs_of(("a", "b", 1), ("c", "d", 0), ("e", "f", 1)).assign(origin="correction")
    train = np.flatnonzero(products["split"] == "train")
    labels = build_pair_labels(products, pairs, train)
    assert labels.design[0] == labels.design[1]
    assert labels.design[2] != labels.design[3]
    assert labels.annotated.tolist() == [0, 1, 2, 3]
    assert labels.paired.tolist() == [0, 1]
    dev = DevCurve(products.assign(split="dev"), pairs, np.zeros((6, 2, 2, 3), np.uint8))
    assert dev.annotations.usable == 0  # nor do they choose the epoch
