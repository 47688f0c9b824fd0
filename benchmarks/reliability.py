"""The page docs/reliability.md: what was done to running commands, how often, and what was lost.

Its rows are JSON files in benchmarks/reliability, written by tests/test_reliability.py when pytest
is given `--record`:

    make reliability
"""

from pathlib import Path
from typing import Any

from benchmarks.checkout import ROOT, commit
from benchmarks.markdown import table
from ml.core.files import read_json, write_json

ROWS = Path(__file__).with_name("reliability")
PAGE = ROOT / "docs/reliability.md"
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
    """Keeps one row and writes the page's table anew.

    Args:
        times: how often, by where it struck.
        lost: what was missing or left over afterwards.
        after: what was checked.
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
    """Writes the table of all rows below the page's text."""
    rows = [read_json(file) for file in sorted(ROWS.glob("*.json"))]
    text = PAGE.read_text(encoding="utf-8").partition(START)[0]
    columns = [
        "fault",
        "how it is done",
        "times",
        "what was lost",
        "checked afterwards",
        "seconds",
        "commit",
    ]
    PAGE.write_text(
        f"{text}{START}\n\n{table(columns, [_line(row) for row in rows])}", encoding="utf-8"
    )


def _line(row: dict[str, Any]) -> str:
    times, lost = row["times"], "; ".join(row["lost"]) or "nothing"
    where = ", ".join(f"{place} {count}" for place, count in times.items())
    cells = [row["fault"], row["how"], f"{sum(times.values())} ({where})", lost, row["after"]]
    return f"| {' | '.join(cells)} | {row['seconds']} | {row['commit']} |"
