"""Writes docs/reliability.md: the faults of running commands, their number, and what was lost.

Each fault is a JSON file in benchmarks/reliability. tests/test_reliability.py writes these files if
pytest runs with `--record`:

    make reliability
"""

from pathlib import Path
from textwrap import fill
from typing import Any

from benchmarks.checkout import ROOT, commit
from benchmarks.markdown import table
from ml.core.files import read_json, write_json

ROWS = Path(__file__).with_name("reliability")
PAGE = ROOT / "docs/reliability.md"
WIDTH = 100  # columns of a line of prose
START = "<!-- the table is written by `make reliability` -->"


def record(
    name: str,
    fault: str,
    how: str,
    times: dict[str, int],
    lost: list[str],
    after: str,
    seconds: float,
) -> None:
    """Keeps one fault as a JSON file and writes the page anew.

    Args:
        name: name of the JSON file, without its suffix.
        fault: what happened to the command.
        how: how the test causes it.
        times: how often it happened, by place.
        lost: what was missing or left over afterwards.
        after: what was checked afterwards.
        seconds: duration of the test.
    """
    row = {"fault": fault, "how": how, "times": times, "lost": lost, "after": after}
    write_json(
        ROWS / f"{name}.json",
        row
        | {
            "seconds": round(seconds),
            "commit": commit("docs/reliability.md", "benchmarks/reliability"),
        },
    )
    write_page()


def write_page() -> None:
    """Writes a table of all faults, and a section for each of them, below the page's text."""
    rows = [read_json(file) for file in sorted(ROWS.glob("*.json"))]
    text = PAGE.read_text(encoding="utf-8").partition(START)[0]
    columns = ["fault", "times", "what was lost", "seconds", "commit"]
    parts = [table(columns, [_line(row) for row in rows]), *(_section(row) for row in rows)]
    PAGE.write_text(f"{text}{START}\n\n" + "\n".join(parts), encoding="utf-8")


def _line(row: dict[str, Any]) -> str:
    lost = "; ".join(row["lost"]) or "nothing"
    cells = [row["fault"], str(sum(row["times"].values())), lost]
    return f"| {' | '.join(cells)} | {row['seconds']} | {row['commit']} |"


def _section(row: dict[str, Any]) -> str:
    """Lists how a fault is caused, where it happened, and what is checked afterwards."""
    where = ", ".join(f"{place} {count}" for place, count in row["times"].items())
    items = {"done": row["how"], "struck": where, "checked afterwards": row["after"]}
    lines = [
        fill(f"- *{name}*: {words}", WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        for name, words in items.items()
    ]
    return "\n".join([f"### {row['fault']}", "", *lines, ""])
