"""People annotate pairs at the desk, in a real browser and by its requests."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser import needs_chromium
from desk_catalogue import HOSTILE_ID, grouped_catalogue
from desk_server import desk_page, running_desk
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from flows.annotate import export_pairs
from flows.annotations.batches import Batch, add_batch
from flows.annotations.database import VARIABLE
from flows.annotations.decisions import pairs_of, standing
from flows.desk.app import desk_app
from flows.desk.roles import Roles
from flows.desk.settings import Settings
from flows.local.project import Project

pytest_plugins = ["browser"]
ROLES = Roles(people={"Eve": ["viewer"]}, others=["annotator"])
TOKEN = re.compile(r'name="token" value="([^"]+)"')


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


def batch_of(project: Project, count: int, *dealt: tuple[int, str]) -> Batch:
    """A new batch of pairs of one block; the hostile product is in the first one."""
    found = pd.read_parquet(next((project.room / "store").rglob("products.parquet")))
    mine = found.loc[found["product_id"] == HOSTILE_ID, "brand"].iloc[0]
    ids = found.loc[found["brand"] == mine, "product_id"].tolist()
    ids.sort(key=lambda one: one != HOSTILE_ID)
    first, second = np.triu_indices(len(ids), 1)
    pairs = pd.DataFrame({"left": np.array(ids)[first], "right": np.array(ids)[second]})
    pairs = pairs[:count].assign(stratum="random", probability=0.1, why="drawn")
    facts = {"catalogue": "shop", "version": 1, "model": "models:/m/1", "mode": "train"}
    facts |= {"seed": 0, "overlap": 0.0, "by": "Ada"}
    return add_batch(project, facts, pairs, list(dealt))


def ids(project: Project, batch: Batch) -> list[int]:
    return pairs_of(project, batch)["id"].tolist()


def visitor(project: Project, name: str) -> TestClient:
    settings = Settings(roles=ROLES, user_header="x-user", hosts=["testserver"])
    app = desk_app(project, settings)
    return TestClient(app, headers={"x-user": name}, follow_redirects=False)


def sent(client: TestClient, path: str, **fields: object) -> int:
    token = TOKEN.search(client.get("/who").text)
    assert token
    return client.post(path, data={"token": token.group(1), **fields}).status_code


def no_fault(page: Page) -> None:
    """Checks a page with axe, and that nothing of it is wider than the window."""
    found = Axe().run(page)
    serious = [
        one for one in found.response["violations"] if one["impact"] in ("serious", "critical")
    ]
    assert not serious, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@needs_chromium
def test_a_pair_is_annotated_by_keys_taken_back_and_exported(
    project: Project, address: str, browser: Browser, tmp_path: Path
) -> None:
    batch = batch_of(project, 3)
    page = desk_page(browser, address, "Ada")
    faults = list[str]()
    page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)
    page.goto(f"{address}/annotate")
    no_fault(page)
    page.get_by_role("link", name=batch.name).click()
    expect(page.get_by_role("heading", name=batch.name)).to_be_visible()
    page.keyboard.press("n")
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    for side in ("Left", "Right"):
        picture = page.get_by_role("img", name=f"{side} product")
        expect(picture).to_be_visible()
        assert picture.evaluate("one => one.decode().then(() => one.naturalWidth)") == 180
    assert page.get_by_role("img", name="Another product").count() > 5
    expect(page.get_by_text("Shirt 0")).to_be_hidden()  # what the shop says waits for a question
    no_fault(page)
    small = page.get_by_role("img", name="Left product").bounding_box()
    page.keyboard.press("z")
    large = page.get_by_role("img", name="Left product").bounding_box()
    assert small and large and large["width"] > 1.1 * small["width"]
    page.get_by_label("Comment").fill("same sdu print")  # letters in a comment are no keys
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    page.get_by_role("button", name="Same").click()
    expect(page.get_by_text("1 of 3 done")).to_be_visible()
    page.keyboard.press("d")
    expect(page.get_by_text("2 of 3 done")).to_be_visible()
    assert standing(project, batch=batch)["answer"].tolist() == ["same", "different"]
    page.keyboard.press("b")
    expect(page.get_by_text("1 of 3 done")).to_be_visible()
    assert standing(project, batch=batch)["answer"].tolist() == ["same"]
    page.keyboard.press("u")
    expect(page.get_by_role("heading", name=batch.name)).to_be_visible()
    page.keyboard.press("n")
    page.keyboard.press("d")
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
    assert faults == []
