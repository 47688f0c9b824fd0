"""The desk's pages about groups in a real browser, from the search to a group that stays split."""

import json
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from browser import needs_chromium
from conftest import VARIANTS, Clone, loosen_gate, project_of
from desk_browser import faults, overflow, signed_in
from desk_catalogue import LIAR, grouped_catalogue
from desk_server import running_desk
from playwright.sync_api import Browser, Page, expect
from servers import wait

from flows.desk.settings import Settings

pytestmark = needs_chromium
pytest_plugins = ["browser"]
PHONE = 390


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a desk of a made-up catalogue, which runs in this process."""
    project = project_of(tmp_path_factory.mktemp("desk") / "project", "dvc.yaml", "params.yaml")
    grouped_catalogue(project)
    with running_desk(project, Settings()) as address:
        yield address


def fine(page: Page) -> None:
    """Asserts that a page shuts nobody out, fits its window, and shows all of its pictures."""
    page.wait_for_load_state("networkidle")
    assert faults(page) == []
    assert overflow(page) <= 0
    broken = "[...document.images].filter(one => one.complete && !one.naturalWidth).length"
    assert page.evaluate(broken) == 0


def pictured(page: Page, name: str) -> None:
    """As `fine`, at desktop and phone width; takes the docs' pictures if PICTURES is a folder."""
    wide = page.viewport_size
    assert wide
    for width, kind in ((wide["width"], ""), (PHONE, "-phone")):
        page.set_viewport_size({"width": width, "height": 1100})
        fine(page)
        if os.environ.get("PICTURES"):
            page.screenshot(path=Path(os.environ["PICTURES"]) / f"{name}{kind}.png")
    page.set_viewport_size(wide)


def test_a_group_is_searched_and_taken_apart_on_a_phone(browser: Browser, desk: str) -> None:
    page = signed_in(browser, desk, "Ada", PHONE)
    page.goto(f"{desk}/groups")
    fine(page)
    page.get_by_label("Search").fill(LIAR)
    page.get_by_label("says one colour, looks another").check()
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="1 groups")).to_be_visible()
    page.locator("ol.groups h3 a").click()
    fine(page)
    page.get_by_label("goes").first.check()
    page.keyboard.press("s")
    expect(page.get_by_text(re.compile(r"corrections?\s+will be added"))).to_be_visible()
    fine(page)
    page.get_by_label("Why").fill("two prints")
    page.get_by_role("button", name="Take 1 of").click()
    expect(page.get_by_role("status")).to_contain_text("Corrections added")
    expect(page.get_by_text("waits for the next grouping").first).to_be_visible()
    page.context.close()


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
        page = signed_in(browser, address, "Ada")
        page.goto(f"{address}/groups/shop?order=large")
        pictured(page, "desk-groups")
        page.locator("ol.groups h3 a").first.click()
        group = page.url

        def near() -> bool:
            page.goto(group)
            return page.get_by_text("are being read").count() == 0

        wait(near, "the model's embeddings", log)
        pictured(page, "desk-group")
        count = page.locator(".members input[name=product]").count()
        why = page.get_by_role("link", name="why is").first.get_attribute("href")

        def measured() -> bool:
            page.goto(f"{address}{why}")
            return page.locator("rect.match").count() > 0

        wait(measured, "the parts that match", log)
        pictured(page, "desk-why")
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
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=60)
