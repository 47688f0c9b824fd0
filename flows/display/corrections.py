"""Prints the corrections of a catalogue for people."""

from typing import Any

from rich.table import Table
from rich.text import Text

from flows.display.terminal import console
from ml.core.errors import visible

STATES = {
    "holds": "holds",
    "waits": "waits for `variants group`",
    "gone": "a product is gone",
    "apart": "two blocks",
}


def corrections_table(found: dict[str, Any]) -> None:
    """Prints what `flows.corrections.corrections_of` returns."""

    if found["corrections"]:
        table = Table("left", "", "right", "by", "when", "why", "state")
        for row in found["corrections"]:
            sign = "=" if row["same"] else "≠"
            words = (row["left"], sign, row["right"], row["by"], row["when"][:16], row["why"])
            table.add_row(*(Text(visible(one)) for one in (*words, STATES[row["state"]])))
        console().print(table)
    for name, members in found["locks"].items():
        console().print(Text(f"group {visible(name)} is locked with {members} products"))
    console().print(Text(summary(found)))


def summary(found: dict[str, Any]) -> str:
    """Returns one line: how many stand, how many are gone, how often the model disagreed."""
    gone = sum(row["state"] == "gone" for row in found["corrections"])
    words = f"{len(found['corrections'])} corrections and {len(found['locks'])} locks stand"
    words += f", {gone} of them of products that are gone" if gone else ""
    words += f"; {found['history']} older ones are history" if found["history"] else ""
    if found["overruled"] is not None:
        words += f"; the model alone would have decided {found['overruled']} of them otherwise"
    return words
