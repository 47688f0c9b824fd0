"""How metrics are written in tables."""

from typing import Any


def interval_words(metric: dict[str, Any]) -> str:
    """Value and interval; an empty cell where undefined."""
    return (
        ""
        if metric["value"] is None
        else f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"
    )


def table(columns: list[str], lines: list[str]) -> str:
    """A Markdown table of lines that are written already."""
    return f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n" + "\n".join(lines) + "\n"
