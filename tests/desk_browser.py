"""The desk in a test: visitors without a browser, and what its pages must hold in a real one."""

import html
import os
import re
from pathlib import Path
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from fastapi import FastAPI
from playwright.sync_api import Browser, Page
from starlette.testclient import TestClient

TOKEN = re.compile(r'name="token" value="([^"]+)"')
PHONE = 390  # pixels
GRAVE = ("serious", "critical")  # impacts of axe-core that no page may have


def flat(page: str) -> str:
    """The words of a page's HTML."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", page).split()))


def faults(page: Page) -> list[str]:
    """The serious and critical faults that axe-core finds on a page, with the elements."""
    found = Axe().run(page).response["violations"]
    return [
        f"{one['id']}: {node['html']}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"]
    ]


def overflow(page: Page) -> int:
    """By how many pixels a page scrolls sideways."""
    script = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    return int(page.evaluate(script))


def sound(page: Page, name: str) -> None:
    """Asserts that a page has no serious fault in light and dark, and is as wide as its window.

    If the variable PICTURES names a folder, the page's pictures go there, for the docs.
    """
    wide = page.viewport_size
    assert wide
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        assert faults(page) == [], f"{name}, {scheme}"
    page.emulate_media(color_scheme="light")
    for width, kind in ((wide["width"], ""), (PHONE, "-phone")):
        page.set_viewport_size({"width": width, "height": 1500})
        assert overflow(page) <= 0, f"{name} scrolls sideways at {width} pixels"
        if os.environ.get("PICTURES"):
            page.screenshot(path=Path(os.environ["PICTURES"]) / f"{name}{kind}.png")
    page.set_viewport_size(wide)


def signed_in(browser: Browser, address: str, name: str, width: int = 1180) -> Page:
    """A page of a browser context of its own, in which somebody has given a name to the desk."""
    context = browser.new_context(viewport={"width": width, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{address}/who")
    page.get_by_label("Your name").fill(name)
    page.get_by_role("button", name="Go on").click()
    return page


class Visitor:
    """Somebody at the desk, without a browser: by a name, or by the headers of a proxy."""

    def __init__(self, app: FastAPI, name: str = "", **headers: str) -> None:
        sent = {key.replace("_", "-"): value for key, value in headers.items()}
        address = "http://127.0.0.1"
        self.client = TestClient(app, address, headers=sent, follow_redirects=False)
        if name:
            self.post("/who", name=name)

    def get(self, path: str) -> Any:
        """The answer to a request for a page."""
        return self.client.get(path)

    def post(self, path: str, **fields: str) -> Any:
        """The answer to a form with the session's token."""
        found = TOKEN.search(self.client.get("/who").text)
        assert found
        return self.client.post(path, data={"token": found.group(1), **fields})
