"""What a person or a shop wrote is never markup, code or a command to anything that shows it."""

import html
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from markdown_it import MarkdownIt
from registry import NAMES

from flows.display.approval_form import form_text
from flows.display.prefect_artifacts import decision_page
from flows.display.status_lines import print_status
from flows.display.tables import history_table, metrics_table
from flows.display.terminal import console
from flows.gate.standing import Standing
from flows.local.markdown import block, code, plain
from flows.local.process import stream
from flows.registry.description import headline
from ml.catalogue.groups_page import Looks, write_groups
from ml.core.command import run_app
from ml.core.errors import UserError, visible
from ml.core.files import read_table
from ml.evaluate.metric_words import METRICS, Interval
from ml.promote.decision import (
    Check,
    CheckKind,
    Decision,
    MetricComparison,
    SegmentDifference,
)

WORDS = [
    "as agreed [see report]",
    "[/sale] ends here",
    "[bold red]loud[/] [link=http://evil.example]here[/link]",
    ":smile: 50 % off",
    "a | b || c",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "![x](http://evil.example/x.png) [click](http://evil.example)",
    "**bold** _em_ ~~gone~~ `code` ``two`` \\",
    "``` fence ``` # heading",
    "&lt;b&gt; &amp;",
    "snake_case_stays and _this_ too",
    "# heading",
    "- item",
    "+ item",
    "> quote",
    "1. first",
    "12) twelfth",
    "---",
    "===",
    "emoji \U0001f457 and ümläut",
]
ADDRESSES = [
    "https://evil.example",
    "see http://evil.example/x?y=1&z=2#a, please",
    "(https://evil.example)",
    "HTTPS://evil.example and ftp://evil.example",
    "www.evil.example/sale",
    "WWW.evil.example",
    "*www.evil.example* ~www.evil.example~ _https://evil.example_",
    "write to ada@shop.example or mailto:ada@shop.example",
    "a.b-c+d@shop.example.",
    "xmpp:ada@shop.example/here",
    "sizes S|https://evil.example|www.evil.example|ada@shop.example",
    r"https\://evil.example www\.evil.example ada\@shop.example",
    "https&#58;//evil.example www&#46;evil.example",
    "https://evil.example/`tick`` and `www.evil.example`",
    "https://evil.example/<b>x</b>",
]
CONTROLS = [
    "\x1b[31mred",
    "\x1b]8;;http://evil.example\x07link",
    "bell\x07",
    "back\x08\x08\x08space",
    "\x9b2J",
    "\u202eevil",
]


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What tables print, into a terminal that is wide enough for every word."""
    output = io.StringIO()

    def wide() -> object:
        made = console()
        made.file, made.width = output, 400
        return made

    for module in ("status_lines", "tables"):
        monkeypatch.setattr(f"flows.display.{module}.console", wide)
    return output


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("words", WORDS + ADDRESSES)
def test_a_terminal_shows_what_people_wrote(words: str, shown: io.StringIO) -> None:
    event = {"at": "2026-11-25T09:00:00", "what": "approval", "version": "models:/a/1"}
    history_table([{**event, "by": words, "comment": words}])
    assert flat(shown.getvalue()).count(flat(words)) == 2
    metric = {name: {"value": 0.5, "low": 0.4, "high": 0.6} for name in METRICS}
    of_blocks = {"block_ap": metric["block_ap"]}
    facts = {"blocks": 1, "products": 4, "pairs": 6, "variants": 2}
    metrics_table(
        {
            "model": words,
            "source": words,
            "pairs": 3,
            "metrics": metric,
            "baselines": {"gray": metric},
            "complete_blocks": {**facts, "metrics": of_blocks, "baselines": {"gray": of_blocks}},
        }
    )
    assert "2 of 6 pairs are variants" in flat(shown.getvalue())
    version = {"version": "1", "created": "2026-11-25T09:00:00", "run": "x", "rolled_back": words}
    serving = {"since": None, "by": words, "how": "promotion", "metric": "block_ap", "value": None}
    print_status(
        {
            "serving": {"model": words} | serving,
            "pending": [{"version": "2", "words": words, "command": words}],
            "tracking": f"sqlite:///{words}",
            "champion": "1",
            "challenger": None,
            "production": [version],
            "candidates": [],
            "corrected": [{"catalogue": words, "model": words, "overruled": 1, "of_said": 2}],
            "worktrees": [],
            "dead": [],
            "orphans": [],
            "only_here": None,
            "problems": [{"state": words, "version": None, "mend": words}],
        }
    )
    assert flat(shown.getvalue()).count(flat(words)) >= 14


@pytest.mark.parametrize("words", CONTROLS)
def test_a_terminal_runs_no_control_sequence(words: str, shown: io.StringIO) -> None:
    event = {"at": "2026-11-25T09:00:00", "what": "approval", "version": "models:/a/1"}
    history_table([{**event, "by": words, "comment": words}])
    assert visible(words) != words
    assert visible(words).isprintable()
    assert shown.getvalue().count(visible(words)) == 2
    assert all(one.isprintable() or one == "\n" for one in shown.getvalue())


@pytest.mark.parametrize("words", CONTROLS)
def test_no_error_and_no_line_of_a_stage_carries_a_control_sequence(
    words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refuse() -> None:
        raise UserError(f"product {words} has no picture\n  row 3")

    with pytest.raises(SystemExit):
        run_app(refuse)  # type: ignore[arg-type]
    said = capsys.readouterr().err
    assert said == f"error: product {visible(words)} has no picture\n  row 3\n"
    lines: list[str] = []
    (tmp_path / "words.txt").write_text(words, encoding="utf-8")
    stream(["cat", "words.txt"], tmp_path, lines.append)
    assert lines == [visible(words)]


def test_words_without_controls_stay_as_they_are() -> None:
    for words in (*WORDS, "two\nlines\tand a tab"):
        assert visible(words) == words


def rendered(page: str) -> str:
    """A page as Prefect and MLflow render it, HTML of the page's author included."""
    return MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(page)


def text_of(page: str) -> str:
    page = re.sub(r"</?code>", "", page)  # it may begin within a word
    return flat(html.unescape(re.sub(r"<[^>]*>", " ", page)))


# What becomes a link without being marked as one, as the renderers of both pages look for it: in
# the text after all escapes are undone (mdast-util-gfm-autolink-literal, the renderer of MLflow and
# of Prefect) or in what is written (showdown and marked, which they also have).
AUTOLINK = re.compile(
    r"\b(?:https?|ftp|dict)://|www\.|[-.\w+!#$%&'*/=?^`{|}~]+@[-\w]+(?:\.[-\w]+)+",
    re.IGNORECASE,
)


def linked(page: str) -> list[str]:
    """What a renderer of GitHub's Markdown makes links of: addresses outside of code."""
    outside = re.sub(r"<(code|pre)>.*?</\1>", " ", page, flags=re.DOTALL)
    return AUTOLINK.findall(html.unescape(re.sub(r"<[^>]*>", "", outside)))


def test_the_search_for_addresses_finds_those_that_nobody_has_escaped() -> None:
    for words in ADDRESSES[:10]:
        assert linked(rendered(words)), words
    assert not linked(rendered("a `https://evil.example`, models:/a/1 and @challenger"))


def tags_of(page: str) -> set[str]:
    return set(re.findall(r"<(\w+)", page))


ESCAPES: list[Callable[[object], str]] = [plain, code, block]


@pytest.mark.parametrize("words", [*WORDS, *ADDRESSES, *CONTROLS])
@pytest.mark.parametrize("escape", ESCAPES)
def test_markdown_shows_what_people_wrote(escape: Callable[[object], str], words: str) -> None:
    page = rendered(f"before\n\n{escape(words)}\n\nafter\n")
    assert tags_of(page) <= {"p", "code", "pre"}
    assert text_of(page) == flat(f"before {visible(words)} after")
    assert not linked(page)


@pytest.mark.parametrize("words", ADDRESSES)
def test_an_address_in_a_cell_of_a_table_stays_in_it(words: str) -> None:
    page = rendered(f"| one | two |\n|---|---|\n| {plain(words)} | {code(words)} |\n")
    cells = re.findall(r"<td>(.*?)</td>", page)
    assert [text_of(cell) for cell in cells] == [flat(words)] * 2
    assert not linked(page)


@pytest.mark.parametrize("words", WORDS + ADDRESSES)
def test_the_pages_of_gate_and_approval_hold_no_markup_of_a_shop(words: str) -> None:
    half: Interval = {"value": 0.1, "low": 0.0, "high": 0.2}
    decision = Decision(
        mode="enforce",
        checks=(Check(CheckKind.SEGMENT, False, f"block AP of {words} is worse", 0.1, 0.2, words),),
        metrics=(MetricComparison("block_ap", half),),
        reuse=None,
        segments=(SegmentDifference(words, 30, True, half),),
        challenger_model="models:/a/2",
        champion_model="models:/b/1",
        policy={},
        proves=f"proof {words}",
        favoured=f"favour {words}",
    )
    page = rendered(decision_page(decision))
    assert flat(f"proof {words}") in text_of(page)
    assert flat(f"favour {words}") in text_of(page)
    assert tags_of(page) <= {"h1", "p", "code", "strong", "ul", "li"} | {
        "table",
        "thead",
        "tbody",
        "tr",
        "th",
        "td",
    }
    assert text_of(page).count(flat(words)) == 5

    class Candidate:
        name, version, tags = "candidates", "2", {"gate_champion": words}

    standing = Standing("rejected", [], f"Ada rejected it: {words}", 0)
    form = rendered(form_text(Candidate(), standing, decision, None, {}))  # type: ignore[arg-type]
    assert tags_of(form) <= {"p", "code", "strong", "ul", "li"}
    assert text_of(form).count(flat(words)) >= 3  # champion, reason, segment


@pytest.mark.parametrize("words", WORDS + ADDRESSES)
@pytest.mark.parametrize("what", ["decision", "approval", "rejection", "promotion", "rollback"])
def test_the_first_line_of_a_description_holds_no_markup_of_people(what: str, words: str) -> None:
    uri = f"models:/{NAMES.production}/1"
    if what in ("decision", "approval", "rejection"):
        uri = f"models:/{NAMES.candidates}/1"
    event = {"at": "2026-11-26T04:05:06.789+00:00", "what": what, "version": uri, "by": words}
    line = rendered(headline(uri, [event | {"comment": words, "reasons": words}], NAMES))
    assert tags_of(line) <= {"p", "strong", "em", "code"}
    assert flat(words) in text_of(line)


@pytest.mark.parametrize("name", ["=1+1", "+49", "-7", "@SUM(A1)", "\t=1", "plain", "O'Neill"])
def test_a_spreadsheet_runs_no_cell_and_machines_read_the_names_as_they_are(
    name: str, tmp_path: Path
) -> None:
    columns = {"brand": "b", "gender": "Men", "article_type": "Shirts", "sha256": None}
    products = pd.DataFrame([{"product_id": name, "group": name, **columns}] * 2)
    products = products.assign(score=[0.5, 0.25], band="review", problem=None)
    looks = Looks(np.full((2, 3), np.nan), lambda _: [])
    write_groups(products, "models:/a/1", tmp_path / "out", looks)
    exact = read_table(tmp_path / "out/groups.parquet")
    assert exact["product_id"].tolist() == exact["group"].tolist() == [name] * 2
    cells = pd.read_csv(tmp_path / "out/groups.csv", dtype=str)
    assert not cells["product_id"].str.startswith(("=", "+", "-", "@", "\t", "\r")).any()
    assert cells["product_id"].str.removeprefix("'").tolist() == [name] * 2
    assert cells["score"].tolist() == ["0.500000", "0.250000"]
