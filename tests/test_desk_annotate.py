"""People annotate pairs at the desk, in a real browser and by its requests."""

import hashlib
import html
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pandas as pd
import pytest
from browser import needs_chromium
from catalogue import Shop
from desk_browser import Visitor, faults, overflow, signed_in, sound
from desk_catalogue import HOSTILE, HOSTILE_ID, grouped_catalogue
from desk_server import running_desk
from playwright.sync_api import Browser, Page, expect

from flows.annotate import export_pairs
from flows.annotations.agreed import agreed_of
from flows.annotations.batches import Batch, add_batch
from flows.annotations.database import VARIABLE
from flows.annotations.decisions import add_decisions, decide, last_word, pairs_of, queue, standing
from flows.catalogue.looks import keep_looks, looks_of
from flows.catalogue.places import store_of
from flows.catalogue.shop import kept_picture
from flows.desk.app import desk_app
from flows.desk.roles import Roles
from flows.desk.settings import Settings
from flows.local.project import Project
from ml.annotate.assignment import assign
from ml.catalogue.versions import Version, save
from ml.data.annotations import build_annotations

pytest_plugins = ["browser"]
ROLES = Roles(people={"Eve": ["viewer"]}, others=["annotator"])

# How many of the pair's two pictures a browser has asked the server for to show the page.
FETCHED = """[...document.querySelectorAll(".two img")].filter((one) =>
  performance.getEntriesByName(one.src).some((entry) => entry.transferSize > 0)).length"""


@pytest.fixture(autouse=True)
def own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the catalogue "shop" of `grouped_catalogue`."""
    made = Project(tmp_path_factory.mktemp("desk"))
    grouped_catalogue(made)
    return made


@pytest.fixture(scope="module")
def address(project: Project) -> Iterator[str]:
    with running_desk(project, Settings(roles=ROLES)) as found:
        yield found


def batch_of(project: Project, count: int, *dealt: tuple[int, str], left: str = "") -> Batch:
    """A new batch of pairs of one block; the hostile product is in the first one."""
    found = pd.read_parquet(next((project.room / "store").rglob("products.parquet")))
    mine = found.loc[found["product_id"] == HOSTILE_ID, "brand"].iloc[0]
    ids = found.loc[found["brand"] == mine, "product_id"].tolist()
    ids.sort(key=lambda one: one != HOSTILE_ID)
    first, second = np.triu_indices(len(ids), 1)
    pairs = pd.DataFrame({"left": np.array(ids)[first], "right": np.array(ids)[second]})
    pairs = pairs[:count].assign(stratum="random", probability=0.1, why="drawn")
    pairs["left"] = left or pairs["left"]
    facts = {"catalogue": "shop", "version": 1, "model": "models:/m/1", "mode": "train"}
    facts |= {"seed": 0, "overlap": 0.0, "by": "Ada"}
    return add_batch(project, facts, pairs, list(dealt))


def ids(project: Project, batch: Batch) -> list[int]:
    return pairs_of(project, batch)["id"].tolist()


def visitor(project: Project, name: str) -> Visitor:
    return Visitor(desk_app(project, Settings(roles=ROLES)), name)


def press(page: Page, key: str) -> None:
    """Presses a key when the page's script has come."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def no_fault(page: Page) -> None:
    """Checks a page with axe, and that nothing of it is wider than the window."""
    assert faults(page) == []
    assert overflow(page) <= 0


@needs_chromium
def test_a_pair_is_annotated_by_keys_taken_back_and_exported(
    project: Project, address: str, browser: Browser, tmp_path: Path
) -> None:
    batch = batch_of(project, 3)
    page = signed_in(browser, address, "Ada")
    faults = list[str]()
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{address}/annotate")
    no_fault(page)
    page.get_by_role("link", name=batch.name).click()
    expect(page.get_by_role("heading", name=batch.name)).to_be_visible()
    press(page, "n")
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    for side in ("Left", "Right"):
        picture = page.get_by_role("img", name=f"{side} product")
        expect(picture).to_be_visible()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") == 180
    assert page.get_by_role("img", name="Another product").count() > 5
    expect(page.get_by_text("Shirt 0")).to_be_hidden()  # what the shop says waits for a question
    no_fault(page)
    small = page.get_by_role("img", name="Left product").bounding_box()
    press(page, "z")
    large = page.get_by_role("img", name="Left product").bounding_box()
    assert small and large and large["height"] > 1.3 * small["height"]
    page.get_by_label("Comment").fill("same sdu print")  # letters in a comment are no keys
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    page.get_by_role("button", name="Same").click()
    expect(page.get_by_text("1 of 3 done")).to_be_visible()
    press(page, "d")
    expect(page.get_by_text("2 of 3 done")).to_be_visible()
    assert standing(project, batch=batch)["answer"].tolist() == ["same", "different"]
    press(page, "b")
    expect(page.get_by_text("1 of 3 done")).to_be_visible()
    assert standing(project, batch=batch)["answer"].tolist() == ["same"]
    press(page, "u")
    expect(page.get_by_text("2 of 3 done")).to_be_visible()
    press(page, "d")
    expect(page.get_by_text("Nothing of this batch is left for you. Thank you.")).to_be_visible()
    said = standing(project, batch=batch)
    assert said[["by", "answer", "why"]].to_numpy().tolist() == [
        ["Ada", "same", "same sdu print"],
        ["Ada", "unsure", ""],
        ["Ada", "different", ""],
    ]
    found, _ = export_pairs(project, "shop", tmp_path / "pairs.csv")
    assert (len(found.pairs), len(found.unsure)) == (2, 1)
    table = pd.read_csv(tmp_path / "pairs.csv")
    assert table["color_variants"].tolist() == [1, 0]
    page.goto(address)
    page.get_by_role("link", name="Turn keys off").click()
    no_fault(page)
    page.goto(f"{address}/annotate/{batch.name}/next?pair={ids(project, batch)[0]}")
    press(page, "d")
    press(page, "b")
    page.get_by_role("button", name="Unsure").click()
    expect(page.get_by_text("left for you. Thank you.")).to_be_visible()
    assert standing(project, batch=batch)["answer"].tolist() == ["unsure", "unsure", "different"]
    page.goto(address)
    page.get_by_role("link", name="Turn keys on").click()
    expect(page.get_by_role("link", name="Turn keys off")).to_be_visible()
    assert faults == []


@needs_chromium
@pytest.mark.full
def test_a_conflict_is_settled_by_a_third_person_on_a_phone(
    project: Project, address: str, browser: Browser
) -> None:
    batch = batch_of(project, 2, (0, "Ada"), (0, "Bo"), (1, "Ada"))
    pair, _ = ids(project, batch)
    decide(project, pair, "Ada", "same")
    decide(project, pair, "Bo", "different", "another collar")
    page = signed_in(browser, address, "Ada", width=390)
    page.goto(f"{address}/annotate/{batch.name}")
    expect(page.get_by_text("Ada says same, Bo says different; somebody else")).to_be_visible()
    expect(page.get_by_text("100% of two answers")).to_be_hidden()
    expect(page.get_by_text("0% of two answers to one pair are equal")).to_be_visible()
    page = signed_in(browser, address, "Cy", width=390)
    page.goto(f"{address}/annotate/{batch.name}")
    expect(page.get_by_text("No pair of this batch was dealt to you.")).to_be_visible()
    expect(page.get_by_text("Bo says different")).to_be_hidden()  # Cy judges alone
    no_fault(page)
    page.get_by_role("link", name="settle it").click()
    expect(page.get_by_role("img", name="Left product")).to_be_visible()
    no_fault(page)
    press(page, "d")
    expect(page.get_by_role("heading", name=batch.name)).to_be_visible()
    expect(page.get_by_text("0 same, 1 different, 0 unsure, 0 in conflict")).to_be_visible()
    found = agreed_of(standing(project, batch=batch))
    assert found.pairs[["same", "annotator"]].to_numpy().tolist() == [[False, "Bo, Cy"]]


def test_a_batch_is_made_at_the_desk_by_the_command_itself(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = list[list[str]]()
    monkeypatch.setattr(
        "flows.desk.jobs.stream", lambda command, *rest: started.append(command[3:])
    )
    client = visitor(project, "Ada")
    fields = {"catalogue": "shop", "budget": "9", "mode": "test", "overlap": "0.2"}
    assert (
        client.post("/annotate", **fields, annotators='Bo, "Lovelace, Ada",--help,,').status_code
        == 303
    )
    assert "A batch of pairs of shop" in client.get("/annotate/jobs/1").text
    options = ("catalogue=shop", "budget=9", "mode=test", "overlap=0.2", "by=Ada")
    named = (
        "annotator=Bo",
        "annotator=Lovelace, Ada",
        "annotator=--help",
    )  # a name is never an option
    expected = ["annotate", "suggest", *(f"--{one}" for one in (*options, *named))]
    assert started == [expected]
    assert visitor(project, "Eve").post("/annotate", **fields).status_code == 403
    assert "Make a batch" in client.get("/annotate").text
    assert "Make a batch" not in visitor(project, "Eve").get("/annotate").text
    assert client.get("/annotate/jobs/7").status_code == 404


def test_whoever_may_only_look_annotates_nothing(project: Project) -> None:
    batch = batch_of(project, 1)
    (pair,) = ids(project, batch)
    eve, path = visitor(project, "Eve"), f"/annotate/{batch.name}"
    assert eve.get(path).status_code == eve.get("/annotate").status_code == 200
    assert eve.get(f"{path}/next").status_code == 403
    assert eve.post(path, pair=str(pair), answer="same").status_code == 403
    decide(project, pair, "Ada", "same")
    word = last_word(project, batch, "Ada")
    for name in ("Eve", "Bo"):  # Bo may annotate, but not take Ada's word back
        assert visitor(project, name).post(f"{path}/undo", decision=str(word)).status_code in (
            403,
            422,
        )
    assert standing(project, batch=batch)["by"].tolist() == ["Ada"]


HOSTILE_TEXTS = ["", "a\0\x1b[31mb\x9f", "\u202e'\"<b>;--", "9" * 400, "-1", "٣"]


def test_no_text_or_number_makes_a_route_fail(project: Project) -> None:
    batch = batch_of(project, 2)
    pair, other = ids(project, batch)
    ada, path = visitor(project, "Ada"), f"/annotate/{batch.name}"
    numbers = [*HOSTILE_TEXTS, str(2**31), str(2**63)]
    for text in map(quote, numbers):
        for url in (f"{path}/next?pair={text}", f"{path}/next?settle={text}", f"/annotate/{text}x"):
            assert ada.get(url).status_code < 500, url
        for url in (f"/annotate/jobs/{text}x", f"/annotate/{text}x/next", f"/groups/shop/{text}x"):
            assert ada.get(url).status_code < 500, url
        for name in ("q", "brand", "band", "size", "order", "looks", "at"):
            assert ada.get(f"/groups/shop?{name}={text}").status_code < 500, (name, text)
        assert ada.get(f"/groups/shop/why?left={text}&right={text}").status_code < 500
    assert ada.get(f"{path}/next?pair={2**31}").status_code == 422
    for text in numbers:
        for fields in ({"pair": text}, {"pair": str(pair), "answer": text}):
            assert 400 <= ada.post(path, **fields).status_code < 500, text
        assert 400 <= ada.post(f"{path}/undo", decision=text).status_code < 500, text
        assert ada.post(path, pair=str(other), answer="same", why=text).status_code == 303
    ada.post(path, pair=str(pair), answer="same", why="a\0\x1b[31mb\x9f\tc")
    assert standing(project, batch=batch)["why"].tolist() == ["a[31mb c", str(2**63)]
    said = {"pair": pair, "by": "Bo", "answer": "same", "why": "a\0b\ud800", "when": ""}
    assert add_decisions(project, [said]) == 1  # as of Label Studio's JSON
    assert "ab" in standing(project, batch=batch)["why"].tolist()


def test_taking_back_takes_back_the_last_answer_of_this_batch_or_nothing(project: Project) -> None:
    batch, other = batch_of(project, 3), batch_of(project, 1)
    ada, words = visitor(project, "Ada"), list[int]()
    for pair in ids(project, batch):
        decide(project, pair, "Ada", "same")
        words.append(last_word(project, batch, "Ada") or 0)
    decide(project, ids(project, other)[0], "Ada", "same")
    theirs = last_word(project, other, "Ada")

    def said() -> list[int]:
        return standing(project)["decision"].tolist()

    before, path = said(), f"/annotate/{batch.name}/undo"
    for sent in (words[0], words[1], theirs, 0, 2**31 - 1):  # as by an older tab, or of others
        answer = ada.post(path, decision=str(sent))
        assert answer.status_code == 422
        assert "this is not your last answer" in answer.text
    assert ada.post(path).status_code == 400
    assert said() == before
    for word in words[::-1]:
        assert ada.post(path, decision=str(word)).status_code == 303
    assert set(before) - set(said()) == set(words)


def test_what_is_no_answer_of_this_batch_is_refused_in_words(project: Project) -> None:
    batch, other = batch_of(project, 1), batch_of(project, 1)
    (pair,), (strange,) = ids(project, batch), ids(project, other)
    ada, path = visitor(project, "Ada"), f"/annotate/{batch.name}"
    for fields, status in (
        ({"pair": str(strange), "answer": "same"}, 404),
        ({"pair": str(10**9), "answer": "same"}, 422),
        ({"pair": "9" * 40, "answer": "same"}, 400),
        ({"pair": "٣", "answer": "same"}, 400),
        ({"answer": "same"}, 400),
        ({"pair": str(pair), "answer": "undone"}, 422),
        ({"pair": str(pair), "answer": "same", "why": "x" * 501}, 422),
    ):
        assert ada.post(path, **fields).status_code == status, fields
    assert ada.post("/annotate/none", pair=str(pair), answer="same").status_code == 422
    assert ada.get(f"{path}/next?pair={strange}").status_code == 404
    assert ada.get(f"{path}/next?pair=x").status_code == 422
    assert len(standing(project, batch=batch)) == 0


def test_words_of_the_shop_and_of_people_are_text(project: Project) -> None:
    batch = batch_of(project, 1)
    (pair,) = ids(project, batch)
    shown = visitor(project, "Ada").get(f"/annotate/{batch.name}/next?pair={pair}").text
    assert html.escape(HOSTILE_ID, quote=False).split('"')[0] in shown
    decide(project, pair, HOSTILE, "same", HOSTILE)
    decide(project, pair, "Ada", "different")
    client = visitor(project, "Ada")
    for path in ("", "/next"):
        text = client.get(f"/annotate/{batch.name}{path}?pair={pair}").text
        assert "<script>document" not in text
        assert "<img src=x" not in text


def test_a_product_that_has_left_the_catalogue_can_still_be_looked_at(project: Project) -> None:
    batch = batch_of(project, 1, left="gone")
    shown = visitor(project, "Ada").get(f"/annotate/{batch.name}/next")
    assert shown.status_code == 200
    assert "no longer in the catalogue" in shown.text


def generated_catalogue(project: Project, shop: Path) -> pd.DataFrame:
    """Keeps version 1 of the catalogue "harbour": a generated shop, grouped by its truth."""
    products = pd.read_csv(shop / "catalog.csv", dtype=str)
    pairs = pd.read_csv(shop / "pairs.csv", dtype=str).astype({"color_variants": int})
    found = build_annotations(products, pairs)
    table = products.iloc[found.indices].reset_index(drop=True).astype(object)
    table = table.assign(group=[f"g{one}" for one in found.design], opened=1, score=0.9)
    table = table.assign(band="review", problem=None, representative=True)
    contents = [(shop / image).read_bytes() for image in table["image"]]
    table["sha256"] = [hashlib.sha256(one).hexdigest() for one in contents]
    files = [kept_picture(project, str(shop), {}, one) for one in table["sha256"]]
    for file, content in zip(files, contents, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    store, made = store_of(project), Shop(0).group()
    keep_looks(looks_of(store), table.assign(image=[str(one) for one in files]))
    facts = {"catalogue": "harbour", "source": str(shop), "columns": {}, "model": "models:/m/1"}
    facts |= {"predecessor": None, "created": "2026-11-02T09:30:00+00:00", "by": "Ada"}
    save(store, Version(made.facts | facts, table, made.means, made.changes, made.retired))
    return pairs[pairs["left"].isin(table["product_id"]) & pairs["right"].isin(table["product_id"])]


@needs_chromium
@pytest.mark.full
def test_pages_of_a_shop_hold_at_every_width_and_in_the_dark(
    shop: Path, tmp_path: Path, browser: Browser
) -> None:
    """If the variable PICTURES names a folder, the pages' pictures go there, for the docs."""
    project = Project(tmp_path)
    pairs = generated_catalogue(project, shop).sample(60, random_state=7)
    pairs = pairs[["left", "right"]].assign(stratum="random", probability=0.1, why="drawn")
    facts = {"catalogue": "harbour", "version": 1, "model": "models:/m/1", "mode": "train"}
    facts |= {"seed": 0, "overlap": 0.5, "by": "Cy"}
    batch = add_batch(project, facts, pairs, assign(60, ["Ada", "Bo"], 0.5, 0))
    answers = dict(
        zip(ids(project, batch), np.resize(["same", *["different"] * 3], 60), strict=True)
    )
    for who in ("Ada", "Bo"):
        for number, pair in enumerate(queue(project, batch, who, 31).pairs):
            other = who == "Bo" and number % 9 == 4
            decide(project, pair.id, who, "unsure" if other else str(answers[pair.id]))
    one = queue(project, batch, "Ada").pairs[0].id
    both = standing(project, batch=batch).groupby("pair").filter(lambda said: len(said) == 2)
    decide(project, int(both["pair"].iloc[0]), "Bo", "different")
    decide(project, int(both["pair"].iloc[0]), "Ada", "same")
    with running_desk(project, Settings()) as address:
        page = signed_in(browser, address, "Ada")
        for name, path in (
            ("desk-annotate", f"{batch.name}/next?pair={one}"),
            ("desk-annotate-batch", batch.name),
            ("desk-annotate-batches", ""),
        ):
            page.set_viewport_size({"width": 1180, "height": 1000})
            page.goto(f"{address}/annotate/{path}".rstrip("/"))
            sound(page, name)


@needs_chromium
@pytest.mark.full
def test_500_decisions_an_hour_leave_the_time_to_the_person(
    project: Project, address: str, browser: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    """Fifty decisions by keys; the time is told, and the machine's is no promise of this test."""
    batch = batch_of(project, 50)
    page = signed_in(browser, address, "Ada")
    page.goto(f"{address}/annotate/{batch.name}/next")
    seconds, fetched = list[float](), 0
    for done in range(50):
        expect(page.get_by_text(f"{done} of 50 done")).to_be_visible()
        page.wait_for_load_state()
        begun = time.monotonic()
        with page.expect_navigation():  # until both pictures are there
            page.keyboard.press("sdu"[done % 3])
        seconds.append(time.monotonic() - begun)
        fetched += page.evaluate(FETCHED)
    assert len(standing(project, batch=batch)) == 50
    assert fetched == 0  # each pair's pictures had come while the pair before it was looked at
    with capsys.disabled():
        print(f"\nfrom key to next pair: median {np.median(seconds):.2f} s, {max(seconds):.2f} s")
