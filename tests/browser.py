"""The real browser of the tests that are about pages; a plugin with the fixture `browser`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
]
expect.set_options(timeout=60_000)  # milliseconds: pages load slowly while another test trains
needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="there is no chromium here (`make browser` installs it)"
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Runs Chromium while the block runs."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield started
        finally:
            started.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A running Chromium."""
    with chromium() as started:
        yield started


def new_page(browser: Browser, width: int = 1400, height: int = 1200) -> Page:
    """Opens a page that waits for a minute, since other tests keep the machine busy."""
    opened = browser.new_page(viewport={"width": width, "height": height})
    opened.set_default_timeout(60_000)
    return opened


def custom_run(page: Page, prefect: str, flow: str) -> Locator:
    """Opens the form on Prefect's page that runs a flow with parameters; returns the form.

    Args:
        prefect: address of Prefect's page.
        flow: name of the flow's deployment.
    """
    page.goto(f"{prefect}/deployments")
    page.get_by_role("link", name=flow, exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    return page.locator("form")
