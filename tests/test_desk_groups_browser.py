"""The desk's pages about groups in a real browser, from the search to a group that stays split."""

import json
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from browser import needs_chromium, new_page
from conftest import VARIANTS, Clone, loosen_gate, project_of
from desk_catalogue import LIAR, grouped_catalogue
from playwright.sync_api import Browser, Page, expect
from servers import wait

from flows.desk.app import desk_app
from flows.desk.settings import Settings
from flows.local.listening import listening

pytestmark = needs_chromium
pytest_plugins = ["browser"]
SERIOUS = ("serious", "critical")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a desk of a made-up catalogue, which runs in this process."""
    project = project_of(tmp_path_factory.mktemp("desk") / "project", "dvc.yaml", "params.yaml")
    grouped_catalogue(project)
    with listening(0) as listener:
        config = uvicorn.Config(desk_app(project, Settings()), log_level="warning")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join(30)


def at_desk(browser: Browser, address: str, width: int, path: str) -> Page:
    """A page of the desk for Ada."""
    page = new_page(browser, width, 900)
    page.goto(f"{address}{path}")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_role("button", name="Go on").click()
    page.wait_for_load_state("networkidle")
    return page


def faults(page: Page) -> list[str]:
    """What axe-core finds that keeps people out, and whether the page scrolls sideways."""
    found = Axe().run(page).response["violations"]
    broken = page.evaluate(
        "[...document.images].filter(one => one.complete && !one.naturalWidth).length"
    )
    sideways = page.evaluate(
        "document.documentElement.scrollWidth > document.documentElement.clientWidth"
    )
    named = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found if one["impact"] in SERIOUS]
    return named + ["broken pictures"] * (broken > 0) + ["it scrolls sideways"] * sideways


def test_a_group_is_searched_and_taken_apart_on_a_phone(browser: Browser, desk: str) -> None:
    page = at_desk(browser, desk, 390, "/groups")
    assert faults(page) == []
    page.get_by_label("Search").fill(LIAR)
    page.get_by_label("says one colour, looks another").check()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="1 groups")).to_be_visible()
    page.locator("ol.groups h3 a").click()
    assert faults(page) == []
    page.get_by_label("goes").first.check()
    page.keyboard.press("s")
    expect(page.get_by_text(re.compile(r"corrections?\s+will be added"))).to_be_visible()
    assert faults(page) == []
    page.get_by_label("Why").fill("two prints")
    page.get_by_role("button", name="Take 1 of").click()
    expect(page.get_by_role("status")).to_contain_text("Corrections added")
    expect(page.get_by_text("waits for the next grouping").first).to_be_visible()
    assert faults(page) == []
    page.close()


@pytest.fixture(scope="module")
def grouped(make_clone: Callable[[], Clone], shop: Path) -> Clone:
    """A clone whose champion has grouped the generated shop."""
    clone = make_clone()
    loosen_gate(clone)
    clone.run("retrain", "--source", str(shop))
    clone.run("approve", "1", "--by", "Bo", "--comment", "fine")
    clone.run("promote")
    clone.run("group", "--source", str(shop))
    return clone


@pytest.mark.full
def test_a_group_that_was_split_at_the_desk_is_still_split_after_the_next_grouping(
    grouped: Clone, browser: Browser, tmp_path: Path
) -> None:
    log = tmp_path / "desk.log"
    process = grouped.start(log, *VARIANTS, "desk", "--port", "0")
    try:
        wait(lambda: "http" in log.read_text(), "the desk", log)
        address = re.findall(r"http://\S+", log.read_text())[0]
        page = at_desk(browser, address, 1280, "/groups/shop?order=large")
        page.locator("ol.groups h3 a").first.click()
        group = page.url
        count = page.locator(".members input[name=product]").count()
        page.get_by_role("link", name="why").first.click()
        expect(page.locator("rect.match").first).to_be_attached()
        assert faults(page) == []
        page.goto(group)
        chosen = page.locator(".members input[name=product]").nth(1)
        product = chosen.get_attribute("value")
        chosen.check()
        page.get_by_role("button", name="Split").click()
        page.get_by_label("Why").fill("another print")
        page.get_by_role("button", name="Take 1 of").click()
        expect(page.get_by_role("status")).to_contain_text("Corrections added")
        page.goto(f"{address}/groups/shop")
        page.get_by_text("Group again", exact=True).first.click()
        page.get_by_role("button", name="Group again").click()
        page.get_by_role("link", name="To the groups of shop").click(timeout=300_000)
        expect(page.get_by_text("Version 2")).to_be_visible()
        page.goto(group)
        expect(page.locator(".members input[name=product]")).to_have_count(count - 1)
        expect(page.locator(f"input[value='{product}']")).to_have_count(0)
        expect(page.get_by_text("another print").first).to_be_visible()
        told = json.loads(grouped.run("groups", "corrections", "--json").stdout)
        assert {one["state"] for one in told["corrections"]} == {"holds"}
        assert {one["by"] for one in told["corrections"]} == {"Ada"}
        page.close()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
        process.wait(timeout=30)
