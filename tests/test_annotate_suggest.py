"""What is suggested: no pair twice, none of the other mode, each as likely as is stated."""

import json
import tracemalloc
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from catalogue import Shop, grouper
from conftest import ROOT
from typer.testing import CliRunner

from flows import annotate_catalogue, annotate_suggest, cli_annotate
from flows.annotate import suggest
from flows.annotate_doubts import ask_again, doubted
from flows.annotate_estimate import estimated
from flows.annotate_suggest import suggested
from flows.annotations.decisions import add_decisions, dealt_to, pairs_of
from flows.catalogue.embeddings import Embedded
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_folder, kept_shop
from flows.catalogue.untrained_features import untrained_features
from flows.display.annotations import doubts_table, estimate_lines
from flows.local.project import Project
from ml.annotate import pair_scan
from ml.annotate.candidates import Grouped
from ml.annotate.known_answers import (
    DIFFERENT,
    SAME,
    UNKNOWN,
    UNSURE,
    WAITING,
    KnownAnswers,
    known_answers,
)
from ml.annotate.mode import MODES
from ml.annotate.pair_scan import View, scan_pairs
from ml.annotate.random_strata import RANDOM, allocate
from ml.annotate.selection import Reservoir, Strongest
from ml.annotate.suggestion import suggest_test, suggest_train
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, save
from ml.core.errors import UserError
from ml.core.files import write_table
from ml.promote.alpha_spending import SKETCH, fresh_pairs_needed
from ml.validate.split import split_of

NOTHING = pd.DataFrame(columns=["left", "right", "answer"], dtype=object)


def view(random: np.random.Generator, block: np.ndarray, threshold: float = 0.6) -> View:
    """Embeddings of designs of three products each, as some encoder sees them."""
    count = len(block)
    design = random.normal(size=(count // 3 + 1, 8))[np.arange(count) // 3]
    found = design + random.normal(size=(count, 8))
    found = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return View(lambda members: found[members], threshold, np.ones(count, bool))


def products(count: int = 60, blocks: int = 4, seed: int = 0) -> tuple[Grouped, View, View]:
    random = np.random.default_rng(seed)
    block = np.arange(count) * blocks // count
    grouped = Grouped(
        pd.Series([f"p{n:03d}" for n in range(count)]),
        block,
        np.arange(count) // 3,
        np.arange(count) % 6 < 3,
        np.zeros(count, bool),
    )
    return grouped, view(random, block), view(random, block)


def ids_in(batch: pd.DataFrame) -> list[frozenset[str]]:
    return [frozenset(one) for one in batch[["left", "right"]].to_numpy().tolist()]


def test_the_scan_visits_each_pair_of_a_block_once_whatever_the_size_of_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grouped, seen, _ = products()
    block = np.where(np.arange(60) == 7, -1, grouped.block)
    found = {}
    for tile in (1, 4, 7, 1024):
        monkeypatch.setattr(pair_scan, "TILE", tile)
        rows = [
            (int(a), int(b), float(r))
            for pairs in scan_pairs(block, (seen,))
            for a, b, r in zip(pairs.left, pairs.right, pairs.ratio[0], strict=True)
        ]
        assert len({one[:2] for one in rows}) == len(rows)
        found[tile] = {one[:2]: one[2] for one in rows}
    expected = {
        (a, b)
        for a in range(60)
        for b in range(a + 1, 60)
        if block[a] == block[b] and block[a] >= 0
    } - {(7, b) for b in range(60)}
    own = seen.relative(np.arange(60))
    for one in found.values():
        assert set(one) == expected
        assert all(
            value == pytest.approx((1 - own[a] @ own[b]) / 0.6, abs=1e-5)
            for (a, b), value in one.items()
        )


def test_a_reservoir_takes_each_pair_equally_often_wherever_it_comes() -> None:
    times = np.zeros(50)
    for seed in range(4000):
        sample = Reservoir(5, np.random.default_rng(seed))
        for start, stop in ((0, 3), (3, 20), (20, 21), (21, 50)):
            sample.offer(np.arange(start, stop), np.arange(start, stop))
        assert sample.offered == 50
        assert len(set(sample.drawn(5).left)) == 5
        times[sample.drawn(3).left] += 1
    expected = 4000 * 3 / 50
    assert np.abs(times - expected).max() < 4.5 * np.sqrt(expected)


def test_the_strongest_pairs_are_those_of_a_sort() -> None:
    random = np.random.default_rng(0)
    strength = np.where(random.random(500) < 0.1, -np.inf, random.normal(size=500))
    kept = Strongest(20)
    for part in np.array_split(np.arange(500), 7):
        kept.offer(part, part, strength[part])
    assert kept.pairs().left.tolist() == np.argsort(-strength, kind="stable")[:20].tolist()


def test_what_follows_from_answers_is_known() -> None:
    said = pd.DataFrame(
        [("a", "b", "same"), ("b", "c", "same"), ("c", "d", "different"), ("d", "e", "same"),
         ("a", "f", "unsure"), ("e", "f", "waiting"), ("zz", "a", "same")],
        columns=["left", "right", "answer"],
    )  # fmt: skip
    known = known_answers(pd.Series(list("abcdefg")), said)
    pairs = {
        "ac": SAME, "ca": SAME, "cd": DIFFERENT, "ae": DIFFERENT, "af": UNSURE, "fe": WAITING,
        "bf": UNKNOWN, "ag": UNKNOWN,
    }  # fmt: skip
    left, right = (np.array(["abcdefg".index(pair[side]) for pair in pairs]) for side in (0, 1))
    assert known.of(left, right).tolist() == list(pairs.values())


def test_parts_of_a_budget_meet_it_and_no_stratum_gives_more_than_it_has() -> None:
    random = np.random.default_rng(0)
    for _ in range(300):
        sizes = random.integers(0, 40, size=int(random.integers(1, 8)))
        weight = random.random(len(sizes)) * (random.random(len(sizes)) < 0.7)
        budget = int(random.integers(0, 150))
        parts = allocate(budget, sizes, weight)
        assert parts.sum() == min(budget, sizes.sum())
        assert ((parts >= 0) & (parts <= sizes)).all()


def test_pairs_are_drawn_as_often_as_the_batch_says() -> None:
    grouped, model, untrained = products(24, blocks=2)
    known = known_answers(grouped.ids, NOTHING)
    for batch_of in (
        lambda seed: suggest_train(grouped, (model, untrained), known, 40, seed),
        lambda seed: suggest_test(grouped, untrained, known, 40, seed),
    ):
        times: dict[frozenset[str], int] = {}
        stated: dict[frozenset[str], float] = {}
        rounds = 80
        for seed in range(rounds):
            batch = batch_of(seed)
            batch = batch[batch["stratum"].str.startswith(RANDOM)]
            for pair, probability in zip(ids_in(batch), batch["probability"], strict=True):
                times[pair] = times.get(pair, 0) + 1
                assert stated.setdefault(pair, probability) == probability
        for pair, probability in stated.items():
            deviation = np.sqrt(rounds * probability * (1 - probability)) or 1
            assert abs(times[pair] - rounds * probability) < 4.8 * deviation
        assert len(stated) == 2 * 12 * 11 / 2
        assert sum(stated.values()) == pytest.approx(len(batch))


def test_weights_of_the_random_strata_add_up_to_all_pairs_that_nobody_has_answered() -> None:
    grouped, model, untrained = products()
    said = pd.DataFrame(
        [("p000", "p001", "same"), ("p001", "p002", "different"), ("p020", "p021", "unsure")],
        columns=["left", "right", "answer"],
    )
    batch = suggest_train(grouped, (model, untrained), known_answers(grouped.ids, said), 80, 0)
    drawn = batch[batch["stratum"].str.startswith(RANDOM)]
    answered = np.array(list(batch.attrs["frame"]["known"].values())).sum(axis=0)
    assert answered.tolist() == [2, 1, 1]  # p000 and p002 differ: it follows
    assert (1 / drawn["probability"]).sum() == pytest.approx(4 * 15 * 14 / 2 - 4)


@pytest.mark.parametrize("seed", range(5))
def test_a_batch_meets_its_budget_without_a_pair_that_is_known_or_comes_twice(seed: int) -> None:
    grouped, model, untrained = products(seed=seed)
    random = np.random.default_rng(seed)
    said = pd.DataFrame(random.choice(grouped.ids, (60, 2)), columns=["left", "right"])
    said = said[said["left"] != said["right"]]
    said["answer"] = random.choice(["same", "different", "unsure"], len(said))
    known = known_answers(grouped.ids, said)
    place = pd.Series(range(60), grouped.ids)
    for batch in (
        suggest_train(grouped, (model, untrained), known, 50, seed),
        suggest_test(grouped, untrained, known, 50, seed),
    ):
        assert len(batch) == 50 == len(set(ids_in(batch)))
        left, right = (place[batch[side]].to_numpy() for side in ("left", "right"))
        assert (grouped.block[left] == grouped.block[right]).all()
        assert (known.of(left, right) == UNKNOWN).all()
        assert batch["probability"].between(0, 1, inclusive="right").all()


def test_the_seed_decides_the_batch() -> None:
    grouped, model, untrained = products()
    known = known_answers(grouped.ids, NOTHING)
    one, same, other = (
        suggest_train(grouped, (model, untrained), known, 30, seed) for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(one, same)
    assert ids_in(one) != ids_in(other)


def test_chosen_pairs_are_near_the_threshold_disputed_or_new() -> None:
    grouped, model, untrained = products(count=240, blocks=8)
    said = pd.DataFrame({"left": ["p000"], "right": ["p003"], "answer": ["same"]})
    batch = suggest_train(grouped, (model, untrained), known_answers(grouped.ids, said), 60, 0)
    place = pd.Series(range(240), grouped.ids)
    ratios = {}
    for name, seen in (("model", model), ("untrained", untrained)):
        own = seen.relative(np.arange(240))
        ends = (own[place[batch[side]].to_numpy()] for side in ("left", "right"))
        ratios[name] = (1 - np.einsum("ij,ij->i", *ends)) / seen.threshold
    near, disputed, new = (
        (batch["stratum"] == one).to_numpy() for one in ("near", "disagreement", "new")
    )
    assert near.sum() == disputed.sum() == new.sum() == 10
    assert np.abs(ratios["model"][near] - 1).max() < 0.1
    assert ((ratios["model"][disputed] < 1) != (ratios["untrained"][disputed] < 1)).all()
    assert set(grouped.block[place[batch["left"][new]].to_numpy()]) <= set(range(1, 8))


def test_pairs_that_wait_in_another_batch_are_not_chosen_again() -> None:
    grouped, model, untrained = products()
    first = suggest_train(grouped, (model, untrained), known_answers(grouped.ids, NOTHING), 60, 0)
    waiting = first[["left", "right"]].assign(answer="waiting")
    second = suggest_train(grouped, (model, untrained), known_answers(grouped.ids, waiting), 60, 1)
    chosen = second[~second["stratum"].str.startswith(RANDOM)]
    assert len(chosen)
    assert not set(ids_in(chosen)) & set(ids_in(first))


@pytest.mark.full
def test_a_block_of_30000_products_needs_no_list_of_its_pairs() -> None:
    count = 30_000
    grouped, model, untrained = products(count, blocks=1)
    known = KnownAnswers(count, *(np.zeros(0, int) for _ in range(3)))
    tracemalloc.start()
    batch = suggest_train(grouped, (model, untrained), known, 100, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(batch) == 100
    assert peak < 400e6  # a byte for each pair would be 450 MB, its two ends 3.6 GB


def test_memory_grows_with_the_tile_and_not_with_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_scan, "TILE", 64)
    grouped, _, untrained = products(1500, blocks=1)
    known = known_answers(grouped.ids, NOTHING)
    tracemalloc.start()
    suggest_test(grouped, untrained, known, 40, 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1500 * 1499 / 2  # a byte for each pair


def test_fresh_pairs_are_enough_for_the_sketch_to_notice() -> None:
    assert fresh_pairs_needed(0, 0.5) == 0
    for known in (10, 1000):
        needed = fresh_pairs_needed(known, 0.5)
        share = known / (known + needed)
        assert share + 2 * np.sqrt(0.25 / SKETCH) <= 0.5 + 1e-9
        assert needed > known


class Registered:
    """A catalogue of the store whose model is made up, with an untrained encoder that is too."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (root / "mlflow").mkdir(parents=True)
        policy = Path(__file__).parents[1] / "mlflow/promotion.yaml"
        (root / "mlflow/promotion.yaml").write_bytes(policy.read_bytes())
        self.project = Project(root)
        shop = Shop(0, 120)
        brands = [f"brand {n}" for n in range(40)]
        self.brands = [
            next(one for one in brands if split_of(one) == split)
            for split in ("train", "dev", "test")
        ]
        for row in shop.rows:
            row["brand"] = self.brands[int(row["brand"][1]) % 3]
        first = shop.group()
        facts = first.facts | {"catalogue": "shop", "source": str(root / "shop"), "columns": {}}
        facts |= {"model": "models:/m/1", "predecessor": None}
        self.version = Version(facts, *(getattr(first, one) for one in (
            "products", "means", "changes", "retired")))  # fmt: skip
        save(Store(str(root / ".variants/store")), self.version)
        vectors = np.stack([shop.vectors[one] for one in self.version.products["sha256"]])
        self.vectors = vectors.astype(np.float32)
        monkeypatch.setattr(annotate_catalogue, "connect", lambda project: None)
        monkeypatch.setattr(annotate_catalogue, "find_version", lambda client, uri: None)
        by_brand = {"split_by": "brand"}
        monkeypatch.setattr(annotate_catalogue, "grouping_of", lambda client, version: by_brand)
        seen = np.ones(len(vectors), bool)
        untrained = lambda *rest: (self.vectors, seen)  # noqa: E731
        monkeypatch.setattr(annotate_catalogue, "untrained_features", untrained)
        monkeypatch.setattr(annotate_catalogue, "kept_embeddings", self.kept)

    def kept(self, *rest: object) -> Embedded:
        problems = np.full(len(self.vectors), None, dtype=object)
        return Embedded(self.vectors, problems, 0, grouper())  # type: ignore[arg-type]

    def brands_of(self, batch: pd.DataFrame) -> set[str]:
        brand = self.version.products.set_index("product_id")["brand"]
        return set(brand[batch["left"]]) | set(brand[batch["right"]])


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registered:
    return Registered(tmp_path / "project", monkeypatch)


def test_train_pairs_are_never_of_test_brands_and_test_pairs_of_no_others(
    registered: Registered,
) -> None:
    for seed in range(3):
        train = suggested(registered.project, "shop", 60, "train", seed)
        test = suggested(registered.project, "shop", 60, "test", seed)
        assert len(train) == len(test) == 60
        assert registered.brands_of(train) <= set(registered.brands[:2])
        assert registered.brands_of(test) <= set(registered.brands[2:])


def test_no_trained_model_has_a_say_in_test_pairs(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = suggested(registered.project, "shop", 40, "test", 0)

    def refused(*rest: object) -> Embedded:
        raise AssertionError("the model was asked")

    monkeypatch.setattr(annotate_catalogue, "kept_embeddings", refused)
    products = registered.version.products
    turned = products.assign(group=products["group"].to_numpy()[::-1], band="leave")
    facts = registered.version.facts | {"number": 2}
    save(
        Store(str(registered.project.room / "store")),
        replace(registered.version, facts=facts, products=turned),
    )
    pd.testing.assert_frame_equal(suggested(registered.project, "shop", 40, "test", 0), before)


def test_the_command_says_how_many_fresh_pairs_the_gate_needs(registered: Registered) -> None:
    said: list[str] = []
    suggested(registered.project, "shop", 10, "test", 0, said.append)
    assert any("fresh ones alone begin anew" in one for one in said)


@pytest.mark.parametrize("budget", [0, -3])
def test_a_batch_of_nothing_is_refused(registered: Registered, budget: int) -> None:
    with pytest.raises(UserError, match="asks nothing"):
        suggested(registered.project, "shop", budget, "train", 0)


def test_an_unknown_catalogue_is_refused(registered: Registered) -> None:
    with pytest.raises(UserError, match="no catalogue"):
        suggested(registered.project, "shoe", 10, "train", 0)


def test_precision_of_the_groups_is_estimated_from_answers_to_random_pairs_alone(
    registered: Registered,
) -> None:
    project, names = registered.project, {}
    design = registered.version.products.set_index("product_id")["group"]
    with pytest.raises(UserError, match="random pairs"):
        estimated(project, "shop")
    for mode in MODES:
        made = suggest(project, "shop", 80, mode, 0, [], 0.0, "Ada", lambda line: None)
        names[mode] = made.name
        pairs = pairs_of(project, made)
        assert estimated(project, "shop")["metrics"]["pair_precision"]["value"] is None
        # Every group is right, and each pair that was chosen and not drawn gets a wrong answer.
        right = design[pairs["left"]].to_numpy() == design[pairs["right"]].to_numpy()
        drawn = pairs["stratum"].str.startswith(RANDOM).to_numpy()
        answers = np.where(right == drawn, "same", "different")
        add_decisions(
            project,
            [
                {"pair": int(pair), "by": "Ada", "answer": str(answer), "why": ""}
                for pair, answer in zip(pairs["id"], answers, strict=True)
            ],
        )
        found = estimated(project, "shop")
        for metric in ("pair_precision", "pair_recall"):
            assert found["metrics"][metric]["value"] == 1
            assert found["metrics"][metric]["high"] == 1
    assert found["batches"] == [names["train"], names["test"]]
    assert found["splits"] == ["train", "dev", "test"]
    assert (found["cautions"], found["asked"], found["answered"]) == ([], 120, 120)
    estimate_lines(found)


def test_wrong_answers_of_the_shop_are_listed_for_a_second_look_and_none_is_changed(
    registered: Registered,
) -> None:
    project, products = registered.project, registered.version.products
    design = products.set_index("product_id")["group"]
    ids = products.sort_values(["brand", "product_id"])
    rows = [
        (left, right)
        for _, part in ids.groupby("brand")
        for left, right in combinations(part["product_id"].head(24), 2)
    ]
    table = pd.DataFrame(rows, columns=["left", "right"], dtype=object)
    same = (design[table["left"]].to_numpy() == design[table["right"]].to_numpy()).astype(int)
    wrong = np.random.default_rng(0).permutation(len(table)) < 20
    table["color_variants"] = np.where(wrong, 1 - same, same)
    folder = kept_folder(project, str(project.root / "shop"), {}) / "snapshot"
    write_table(folder / "pairs.parquet", table)
    before = (folder / "pairs.parquet").read_bytes()
    said: list[str] = []
    found = doubted(project, "shop", 60, "train", said.append)
    brand = products.set_index("product_id")["brand"]
    flipped = set(ids_in(table[wrong & (brand[table["left"]] != registered.brands[2]).to_numpy()]))
    assert len(flipped & set(ids_in(found))) >= 0.8 * len(flipped) > 5
    assert registered.brands_of(found) <= set(registered.brands[:2])
    assert registered.brands_of(doubted(project, "shop", 60, "test", said.append)) == {
        registered.brands[2]
    }
    assert found["quality"].is_monotonic_increasing
    assert any("in cycles" in one for one in said)
    assert found["why"].str.contains("≠").any()
    assert (folder / "pairs.parquet").read_bytes() == before
    made = ask_again(project, "shop", found, "train", "Ada")
    asked = pairs_of(project, made)
    assert ids_in(asked) == ids_in(found)
    assert set(asked["why"]) == {"a second look"}  # people are not told what was said
    doubts_table(found)


def test_a_batch_is_of_the_version_that_it_was_drawn_from(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, first = registered.project, registered.version
    tables = (first.products, first.means, first.changes, first.retired)

    def grouped_meanwhile(*arguments: Any) -> Any:
        save(store_of(project), Version(first.facts | {"number": 2, "id": "another"}, *tables))
        return annotate_catalogue.read_catalogue(*arguments)

    monkeypatch.setattr(annotate_suggest, "read_catalogue", grouped_meanwhile)
    made = suggest(project, "shop", 10, "train", 0, [], 0.0, "Ada", lambda line: None)
    assert made.version == 2
    doubts = pd.DataFrame({"left": ["p0000"], "right": ["p0001"], "stratum": "doubt"})
    doubts["probability"] = np.nan
    doubts.attrs["version"] = 1  # as `doubted` says
    assert ask_again(project, "shop", doubts, "train", "Ada").version == 1


def test_a_deal_is_even_when_fewer_pairs_are_left_than_asked_for(registered: Registered) -> None:
    project, people = registered.project, ["Ada", "Bo", "Cy"]
    made = suggest(project, "shop", 5000, "train", 0, people, 0.5, "Ada", lambda line: None)
    dealt = list(dealt_to(project, made).values())
    assert len(pairs_of(project, made)) < 4000
    assert max(dealt) - min(dealt) <= 1
    for budget, seed in ((10**9, 0), (10, 2**31), (10, -1)):
        with pytest.raises(UserError, match=r"too large|a seed is"):
            suggest(project, "shop", budget, "train", seed, people, 0.5, "Ada", print)


def test_the_commands_print_what_programs_read(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = registered.project
    suggest(project, "shop", 40, "train", 0, [], 0.0, "Ada", lambda line: None)
    monkeypatch.setattr(cli_annotate, "find_project", lambda: project)
    found = CliRunner().invoke(cli_annotate.annotate, ["estimate", "shop", "--json"])
    assert json.loads(found.stdout)["asked"] == 20
    found = CliRunner().invoke(cli_annotate.annotate, ["estimate", "shop"])
    assert "not known yet" in found.stdout
    assert "suggest test pairs as well" in found.stdout
    with pytest.raises(UserError, match="no pair of shop is annotated"):
        doubted(project, "shop", 10, "train", lambda line: None)


def test_pictures_that_are_not_here_leave_train_pairs_and_refuse_test_pairs(
    registered: Registered, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = np.zeros(len(registered.vectors), bool)
    monkeypatch.setattr(
        annotate_catalogue, "untrained_features", lambda *rest: (registered.vectors, nowhere)
    )
    said: list[str] = []
    found = suggested(registered.project, "shop", 40, "train", 0, said.append)
    assert len(found) == 40
    assert "disagreement" not in set(found["stratum"])
    assert any("not on this machine" in one for one in said)
    with pytest.raises(UserError, match="no sample of shop"):
        suggested(registered.project, "shop", 40, "test", 0)


@pytest.mark.full
def test_untrained_features_are_embedded_once_and_kept(
    tmp_path: Path, growing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = Project(ROOT)
    monkeypatch.setattr(Project, "room", tmp_path / "room")
    store, source = Store(str(tmp_path / "store")), str(growing)
    with kept_shop(project, source, {}) as products:
        products = products.drop(columns="image")
    version = Version({"source": source, "columns": {}}, *(products for _ in range(4)))
    said: list[str] = []
    features, seen = untrained_features(project, store, version, products, said.append)
    assert seen.all()
    assert np.linalg.norm(features, axis=1) == pytest.approx(1, abs=1e-2)
    monkeypatch.setattr("flows.catalogue.untrained_features.run_module", None)
    again, _ = untrained_features(project, store, version, products, said.append)
    assert (again == features).all()
