"""How figures are written in tables."""

from typing import Any


def interval_words(figure: dict[str, Any]) -> str:
    """Value and interval; an empty cell where undefined."""
    return (
        ""
        if figure["value"] is None
        else f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"
    )


def table(columns: list[str], lines: list[str]) -> str:
    """A Markdown table of lines that are written already."""
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n" + "\n".join(lines) + "\n"
