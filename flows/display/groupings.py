"""Versions of a catalogue's groups, for people at a terminal."""

from typing import Any

from rich.table import Table

from flows.display.terminal import console
from ml.core.errors import visible

SHOWN = 40  # changes that are listed; JSON has all


def listed_table(versions: list[dict[str, Any]]) -> None:
    """Prints a row for each version.

    Args:
        versions: what `flows.groups.listed` returns.
    """
    table = Table()
    numbers = ("version", "products", "groups of 2 or more")
    for name in ("catalogue", "version", "made", "by", "model", *numbers[1:], "changes"):
        table.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    for one in versions:
        counts = one["counts"]
        table.add_row(
            one["catalogue"],
            str(one["number"]),
            one["created"].replace("T", " ")[:16],
            visible(one["by"]),
            one["model"],
            f"{counts['products']:,}",
            f"{counts['groups']:,}",
            _words(one["changes"]),
        )
    console().print(table)


def version_table(version: dict[str, Any]) -> None:
    """Prints a version and what it changed.

    Args:
        version: what `flows.groups.shown` returns.
    """
    counts, screen = version["counts"], console()
    delta = version.get("delta")
    after = f" after version {version['predecessor']}" if version["predecessor"] else ""
    lines = [
        f"version {version['number']} of the catalogue {version['catalogue']}{after}",
        f"made {version['created'].replace('T', ' ')[:16]} UTC by {version['by']}",
        f"by {version['model']}, {version['clustering']} clustering at {version['threshold']:.4f}, "
        f"margin {version['margin']}",
        f"of {version['source']}" + (f", with what {delta['source']} brought" if delta else ""),
        f"{counts['groups']:,} groups hold {counts['grouped']:,} of {counts['products']:,} "
        f"products; {counts['published']:,} to publish; {counts['unreadable']:,} pictures cannot "
        "be read",
    ]
    for line in lines:
        screen.print(visible(line), markup=False, highlight=False, soft_wrap=True)
    changes_table(version)


def changes_table(found: dict[str, Any]) -> None:
    """Prints changes.

    Args:
        found: its "listed" holds what `ml.catalogue.changes.changes` returns, as records.
    """
    listed, screen = found["listed"], console()
    if not listed:
        screen.print("no group changed")
        return
    table = Table()
    for name in ("change", "group", "other", "product", "why"):
        table.add_column(name, overflow="fold")
    for one in listed[:SHOWN]:
        cells = (one[name] for name in ("change", "group", "other", "product_id", "reason"))
        table.add_row(*(visible(str(cell)) for cell in cells))
    screen.print(table)
    if len(listed) > SHOWN:
        screen.print(f"and {len(listed) - SHOWN:,} more: --json prints all", highlight=False)


def store_table(found: dict[str, Any]) -> None:
    """Prints what the store holds.

    Args:
        found: what `flows.store.stored` returns.
    """
    screen = console()
    screen.print(visible(found["store"]), markup=False, highlight=False, soft_wrap=True)
    models = Table("embeddings of", "pictures", "MB", "needed by")
    for one in found["models"]:
        cells = (
            one["folder"],
            f"{one['pictures']:,}",
            _megabytes(one),
            one["needed_by"] or "nothing",
        )
        models.add_row(*map(visible, cells))
    looks = found["looks"]
    models.add_row("thumbnails", f"{looks['pictures']:,}", _megabytes(looks), "groups.html")
    known = Table("catalogue", "versions", "MB")
    for one in found["catalogues"]:
        known.add_row(visible(one["catalogue"]), f"{one['versions']:,}", _megabytes(one))
    screen.print(models, known)


def _megabytes(one: dict[str, Any]) -> str:
    return f"{one['bytes'] / 1e6:,.1f}"


def _words(changes: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {kind}" for kind, count in changes.items()) or "none"
