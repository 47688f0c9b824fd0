"""Prints batches of annotations for people at a terminal."""

from typing import Any

import pandas as pd
from rich.table import Table

from flows.display.terminal import console
from ml.core.errors import visible

SHOWN = 20  # conflicts that are listed; JSON has all


def listed_table(batches: list[dict[str, Any]]) -> None:
    """Prints a row for each batch, see `flows.annotate.listed`."""
    table = Table("batch", "catalogue", "mode", "made", "by")
    table.add_column("answered", justify="right")
    for one in batches:
        table.add_row(
            one["name"],
            f"{one['catalogue']} {one['version']}",
            one["mode"],
            one["created"].replace("T", " ")[:16],
            visible(one["by"]),
            f"{one['answered']:,} of {one['pairs']:,}",
        )
    console().print(table)


def status_table(found: dict[str, Any]) -> None:
    """Prints what `flows.annotate.status` returns."""
    show = console().print
    show(
        f"{found['name']}: {found['answered']:,} of {found['pairs']:,} pairs answered; "
        f"{found['same']:,} same, {found['different']:,} different, {found['unsure']:,} unsure, "
        f"{len(found['conflicts']):,} in conflict"
    )
    for name, one in found["people"].items():
        left = "" if one["left"] is None else f", {one['left']:,} left"
        show(f"  {visible(name)}: {one['answers']:,} answers{left}")
    for line in found["words"]:
        show(visible(line))
    for one in found["conflicts"][:SHOWN]:
        said = ", ".join(f"{name}: {answer}" for name, answer in one["answers"].items())
        show(visible(f"conflict: {one['left']} and {one['right']} ({said})"))
    if len(found["conflicts"]) > SHOWN:
        show(f"… and {len(found['conflicts']) - SHOWN} more; --json lists all")


def estimate_lines(found: dict[str, Any]) -> None:
    """Prints what `flows.annotate_estimate.estimated` returns."""
    show = console().print
    show(
        f"{found['catalogue']}, version {found['version']}: {found['answered']:,} of "
        f"{found['asked']:,} random pairs answered ({', '.join(found['batches'])}), of "
        f"products of {', '.join(found['splits'])}"
    )
    for name, one in found["metrics"].items():
        words = "not known yet: too few answers"
        if one["value"] is not None:
            words = f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
        show(f"  {name}: {words}")
    for line in found["cautions"]:
        show(line)


def doubts_table(found: pd.DataFrame) -> None:
    """Prints what `flows.annotate_doubts.doubted` returns."""
    table = Table("pair", "says", "why it is doubted")
    for left, right, answer, why in found[["left", "right", "answer", "why"]].to_numpy(str):
        table.add_row(visible(f"{left} {right}"), answer, visible(why))
    console().print(table)
