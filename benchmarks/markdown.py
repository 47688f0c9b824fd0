"""How metrics are written in tables."""

from pathlib import Path
from typing import Any

from ml.core.files import replacing

END = "<!-- until here -->"  # of what a benchmark writes into a page


def interval_words(metric: dict[str, Any]) -> str:
    """Value and interval; an empty cell where undefined."""
    return (
        ""
        if metric["value"] is None
        else f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"
    )


def signed_words(metric: dict[str, Any]) -> str:
    """A difference and its interval, with signs."""
    return f"{metric['value']:+.3f} ({metric['low']:+.3f} to {metric['high']:+.3f})"


def table(columns: list[str], lines: list[str]) -> str:
    """A Markdown table of lines that are written already."""
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n" + "\n".join(lines) + "\n"


def write_between(page: Path, start: str, text: str) -> None:
    """Writes what a benchmark has built between its mark in a page and the next `END`.

    Args:
        start: the mark, such as "<!-- written by benchmarks.power: -->".
        text: Markdown.
    """
    before, _, rest = page.read_text(encoding="utf-8").partition(start)
    _, _, after = rest.partition(END)
    with replacing(page) as beside:
        beside.write_text(f"{before}{start}\n\n{text}\n{END}{after}", encoding="utf-8")
