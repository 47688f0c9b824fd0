"""Pages for people fit a telephone and a desk, in the light and in the dark, without a network."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from browser import needs_chromium
from playwright.sync_api import Browser, Page
from test_templates import (
    render_contract,
    render_groups,
    render_header,
    render_impact,
    render_report,
)

from ml.evaluate.report import HEADER_PLACE

pytestmark = needs_chromium
pytest_plugins = ["browser"]

# The lowest contrast of a text with what is behind it, and that text: WCAG 2 asks for 4.5.
LOWEST_CONTRAST = """() => {
  const parts = text => text.match(/[\\d.]+/g).map(Number);
  const light = rgb => rgb.slice(0, 3).map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = one => {
    for (; one; one = one.parentElement) {
      const rgb = parts(getComputedStyle(one).backgroundColor);
      if (rgb.length === 3 || rgb[3] > 0) return rgb;
    }
    return [255, 255, 255];
  };
  let lowest = [100, ""];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const text = walk.currentNode, one = text.parentElement, style = getComputedStyle(one);
    const skipped = one.closest("script, style, defs") || !one.getClientRects().length;
    if (!text.data.trim() || skipped) continue;
    const drawn = one.closest("svg") ? style.fill : style.color;
    const [a, b] = [light(parts(drawn)), light(behind(one))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest[0]) lowest = [ratio, text.data.trim()];
  }
  return lowest;
}"""


def report(folder: Path) -> None:
    """The report as it is logged, with its header."""
    page = render_report(folder)
    (folder / "report.html").write_text(page.replace(HEADER_PLACE, render_header(folder)))


WRITERS: dict[str, Callable[[Path], object]] = {
    "report.html": report,
    "contract.html": render_contract,
    "groups.html": render_groups,
    "impact.html": render_impact,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pages."""
    made = tmp_path_factory.mktemp("pages")
    for name, write in WRITERS.items():
        (made / name).with_suffix("").mkdir()
        write((made / name).with_suffix(""))
        for one in (made / name).with_suffix("").iterdir():
            shutil.move(one, made / one.name)
    return made


@pytest.mark.parametrize("name", WRITERS)
def test_a_page_fits_both_screens_is_readable_in_both_schemes_and_loads_nothing(
    browser: Browser, folder: Path, name: str
) -> None:
    context = browser.new_context()
    context.set_offline(True)
    page: Page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda one: problems.append(one.url) if one.url[:4] == "http" else None)
    page.goto(f"file://{folder / name}")
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        ratio, text = page.evaluate(LOWEST_CONTRAST)
        assert ratio >= 4.5, f"{scheme}: “{text}” has a contrast of {ratio:.1f}"
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(300)  # charts follow the width of the window
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"the page is {wide} wide on a screen of {width}"
    assert problems == []
    context.close()
