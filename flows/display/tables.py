"""Tables for people at a terminal."""

from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from ml.core.errors import visible
from ml.evaluate.evaluation import METRICS, Interval


def metrics_table(result: dict[str, Any]) -> None:
    """Prints the result of `variants evaluate`: a row for each metric, a column for each model.

    Args:
        result: what `flows.evaluate.evaluate` returns.
    """
    title = f"{result['model']} on {result['source']} ({result['pairs']} annotated pairs)"
    table = Table(title=visible(title))
    columns = {result["model"]: result["metrics"], **result["baselines"]}
    table.add_column("metric")
    for name in columns:
        table.add_column(visible(name), justify="right")
    for metric, words in METRICS.items():
        table.add_row(
            Text.assemble(f"{metric}\n", (words, "dim")),
            *(_cell(entry[metric]) for entry in columns.values()),
        )
    _console().print(table)


def diff_table(result: dict[str, Any], shown: int = 20) -> None:
    """Prints the result of `variants snapshot diff`.

    Args:
        result: what `flows.snapshot_diff.diff` returns.
        shown: number of rows that are named for each kind of change.
    """
    console = _console()
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
    console.print(counts)
    if rows.row_count:
        console.print(rows)


def unneeded_table(result: list[dict[str, Any]]) -> None:
    """Prints the result of `variants snapshot gc`.

    Args:
        result: for the cache, and for the remote if it was looked at, what
            `flows.snapshot_gc.Unneeded.to_json` returns, and "removed".
    """
    console = _console()
    table = Table()
    for column in ("place", "stay", "removed" if result[0]["removed"] else "would go", "MB"):
        table.add_column(column, justify="left" if column == "place" else "right", overflow="fold")
    for one in result:
        size = f"{one['bytes'] / 1e6:,.1f}"
        table.add_row(visible(one["place"]), f"{one['kept']:,}", f"{one['files']:,}", size)
    console.print(table)
    for path in dict.fromkeys(path for one in result for path in one["clones"]):
        console.print(visible(f"asked: the clone {path}"), soft_wrap=True)
    if not result[0]["removed"] and any(one["files"] for one in result):
        console.print("nothing was removed; --yes removes it")


def status_tables(result: dict[str, Any]) -> None:
    """Prints the result of `variants status`.

    Args:
        result: what `flows.status.status` returns.
    """
    console = _console()
    console.print(f"registry: {visible(result['tracking'])}", soft_wrap=True)
    if not result["candidates"]:
        console.print("nothing is registered yet: run `variants retrain --source SHOP`")
    for title, kind, alias in (
        ("production", "production", "champion"),
        ("candidates", "candidates", "challenger"),
    ):
        if not result[kind]:
            continue
        table = Table(title=title)
        for column in ("version", "created (UTC)", "gate", "compared with", "commit", "notes"):
            table.add_column(column)
        for one in result[kind]:
            mark = f" {alias}" if one["version"] == result[alias] else ""
            notes = [
                f"{tag.replace('_', ' ')} {one[tag]}"
                for tag in ("candidate", "replaced", "rolled_back")
                if tag in one
            ]
            notes += ["made from uncommitted changes"] if one.get("dirty") == "true" else []
            gate, against = one.get("gate", "–"), one.get("gate_champion", "–")
            table.add_row(
                Text.assemble(one["version"], (mark, "bold")),
                one["created"][:16].replace("T", " "),
                visible(gate),
                visible(against),
                visible(one.get("commit", "")[:10]),
                visible("\n".join(notes)),
            )
        console.print(table)
    for problem in result["problems"]:
        console.print(visible(f"to mend: {problem['state']}: {problem['mend']}"), soft_wrap=True)
    if result["worktrees"]:
        console.print(f"worktrees of runs: {', '.join(result['worktrees'])}")
    if result["dead"]:
        console.print(
            f"dead runs: {', '.join(result['dead'])}; the same `variants retrain` continues them, "
            "`variants clean` removes them"
        )
    if result["orphans"]:
        pids = ", ".join(map(str, result["orphans"]))
        console.print(
            f"temporary Prefect servers of killed commands (process ids): {pids}; `variants clean` "
            "ends them"
        )


def history_table(result: list[dict[str, Any]]) -> None:
    """Prints the result of `variants history`.

    Args:
        result: the events of the audit trail, oldest first.
    """
    console = _console()
    if not result:
        console.print("the audit trail is empty: `variants retrain` makes the first decision")
        return
    table = Table()
    for column in ("when (UTC)", "what", "version", "who", "details"):
        table.add_column(column, overflow="fold")
    for event in result:
        details = [
            f"{name} {event[name]}"
            for name in ("verdict", "champion", "candidate", "replaced", "approval")
            if name in event
        ]
        details += [event["comment"]] if event.get("comment") else []
        table.add_row(
            event["at"][:19].replace("T", " "),
            event["what"],
            visible(event["version"].removeprefix("models:/")),
            visible(event["by"]),
            visible("\n".join(details)),
        )
    console.print(table)


def _console() -> Console:
    """A console to which the words of people and shops are words: no markup, no emoji."""
    return Console(markup=False, emoji=False, highlight=False)


def _cell(metric: Interval) -> Text:
    if metric["value"] is None:
        return Text("–")
    value = f"{metric['value']:.3f}"
    if metric["low"] is None:
        return Text(value)
    return Text.assemble(f"{value}\n", (f"{metric['low']:.2f}–{metric['high']:.2f}", "dim"))
