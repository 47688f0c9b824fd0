"""Tables for people at a terminal."""

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flows.display.event_words import about, details, minute
from flows.display.terminal import console
from ml.core.errors import visible
from ml.evaluate.metric_words import COMPLETE_METRICS, METRICS, Interval


def metrics_table(result: dict[str, Any]) -> None:
    """Prints the result of `variants evaluate`: a row for each metric, a column for each model.

    Complete blocks have a table of their own.

    Args:
        result: what `flows.evaluate.evaluate` returns.
    """
    where, blocks = f"{result['model']} on {result['source']}", result["complete_blocks"]
    screen = console()
    if result["metrics"]:
        title = f"{where} ({result['pairs']} annotated pairs)"
        screen.print(_metrics(title, result["model"], result, METRICS))
    if blocks:
        title = (
            f"{where} ({blocks['blocks']} complete blocks: {blocks['products']} products, "
            f"{blocks['variants']} of {blocks['pairs']} pairs are variants)"
        )
        screen.print(_metrics(title, result["model"], blocks, COMPLETE_METRICS))


def _metrics(title: str, model: str, found: dict[str, Any], words_of: dict[str, str]) -> Table:
    """Returns a table of metrics; a cell is empty where a metric is not defined.

    Args:
        found: "metrics" of the model, and "baselines".
        words_of: name of each metric → its words.
    """
    table = Table(title=visible(title))
    columns = {model: found["metrics"], **found["baselines"]}
    table.add_column("metric", overflow="fold")  # half a name may be that of another
    for name in columns:
        table.add_column(visible(name), justify="right", overflow="fold")
    for metric, words in words_of.items():
        if metric in found["metrics"]:
            table.add_row(
                Text.assemble(f"{metric}\n", (words, "dim")),
                *(_cell(one[metric]) if metric in one else "" for one in columns.values()),
            )
    return table


def diff_table(result: dict[str, Any], shown: int = 20) -> None:
    """Prints the result of `variants snapshot diff`.

    Args:
        result: what `flows.snapshot_diff.diff` returns.
        shown: number of rows that are named for each kind of change.
    """
    screen = console()
    counts = Table(title=visible(f"from {result['before']} to {result['after']}"))
    for column in ("", "added", "removed", "changed"):
        counts.add_column(column, justify="right" if column else "left")
    rows = Table()
    for column in ("what", "which", "columns"):
        rows.add_column(column, overflow="fold")
    for name in ("products", "pairs"):
        part = result[name]
        counts.add_row(name, *(f"{count:,}" for count in part["counts"].values()))
        for kind in ("added", "removed", "changed"):
            for key in list(part[kind])[:shown]:
                columns = ", ".join(part[kind][key]) if kind == "changed" else ""
                rows.add_row(f"{name[:-1]} {kind}", visible(key), visible(columns))
            if len(part[kind]) > shown:
                rows.add_row(f"{name[:-1]} {kind}", f"and {len(part[kind]) - shown:,} more", "")
    screen.print(counts)
    if rows.row_count:
        screen.print(rows)


def unneeded_table(result: list[dict[str, Any]]) -> None:
    """Prints the result of `variants snapshot gc`.

    Args:
        result: for the cache, and for the remote if it was looked at, what
            `flows.snapshot_gc.Unneeded.to_json` returns, and "removed".
    """
    screen = console()
    table = Table()
    for column in ("place", "stay", "removed" if result[0]["removed"] else "would go", "MB"):
        table.add_column(column, justify="left" if column == "place" else "right", overflow="fold")
    for one in result:
        size = f"{one['bytes'] / 1e6:,.1f}"
        table.add_row(visible(one["place"]), f"{one['kept']:,}", f"{one['files']:,}", size)
    screen.print(table)
    for path in dict.fromkeys(path for one in result for path in one["clones"]):
        screen.print(visible(f"asked: the clone {path}"), soft_wrap=True)
    if not result[0]["removed"] and any(one["files"] for one in result):
        screen.print("nothing was removed; --yes removes it")


def history_table(result: list[dict[str, Any]]) -> None:
    """Prints the result of `variants history`.

    Args:
        result: the events of the audit trail, oldest first.
    """
    screen = console()
    if not result:
        screen.print("the audit trail is empty: `variants retrain` makes the first decision")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1))
    table.add_column("when (UTC)", no_wrap=True)
    for column in ("what", "who", "details"):
        table.add_column(column, overflow="fold")
    for event in result:
        table.add_row(
            minute(event["at"]),
            visible(f"{event['what']}\n{about(event)}"),
            visible(event["by"]),
            visible("\n".join(details(event))),
        )
    screen.print(table)


def _cell(metric: Interval) -> Text:
    if metric["value"] is None:
        return Text("–")
    value = f"{metric['value']:.3f}"
    if metric["low"] is None:
        return Text(value)
    return Text.assemble(f"{value}\n", (f"{metric['low']:.2f}–{metric['high']:.2f}", "dim"))
