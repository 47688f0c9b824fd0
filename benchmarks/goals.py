"""The goals on the test brands, each with its figure from the finished rows: met, not met, or not measured yet."""

from typing import Any

import numpy as np

from benchmarks.markdown import interval_words, table
from ml.evaluate.bootstrap import interval

Row = dict[str, Any]
DEFAULT, PEERS = (
    "pbcnet_semi",
    {"moco_v2": 0.05, "triplet": 0.0, "byol": 0.0, "simsiam": 0.0, "untrained": 0.0},
)
LEAST = 0.85
FLOORS = {"recall_at_1": ("recall@1", 0.92), "cgacc": ("CGacc", 0.65)}
OVER_IMAGENET_GRAY = 0.15


def goals(methods: list[Row]) -> str:
    """A Markdown table; figures are means over the seeds that are finished.

    Intervals are of these means where the rows hold the resamples (block AP and its differences to
    other methods), elsewhere the mean of the seeds' intervals, which is no narrower: all seeds saw
    the same resamples.
    """
    rows = by_recipe(methods)
    own = rows.get(DEFAULT, [])
    if not own:
        return ""
    seeds = _seeds(own)
    lines = [
        _line(
            f"block AP ≥ {LEAST}", interval(block_ap_draws(own, "test")), LEAST, f"mean of {seeds}"
        )
    ]
    for name, (words, least) in FLOORS.items():
        figure = _mean([row["figures"]["test"][name] for row in own])
        lines.append(_line(f"{words} ≥ {least}", figure, least, f"mean of {seeds}"))
    gain, goal = _mean([row["gains"]["imagenet_gray"]["test"] for row in own]), OVER_IMAGENET_GRAY
    lines.append(_line(f"block AP ≥ {goal} above ImageNet, gray", gain, goal, f"mean of {seeds}"))
    for peer, least in PEERS.items():
        if peer in rows:
            gain, of = (
                difference(own, rows[peer], "test"),
                f"means of {seeds} and {_seeds(rows[peer])}",
            )
            lines.append(_line(f"block AP ≥ {least} above {peer}", gain, least, of))
    for kind in own[0]["elsewhere"]:
        for words, name in (
            ("gray pixels", "gray"),
            ("ImageNet, gray", "imagenet_gray"),
            ("itself fed gray pictures", "model, gray pictures"),
        ):
            found = [
                _value(row["elsewhere"][kind]["model"]) - _value(row["elsewhere"][kind][name])
                for row in own
            ]
            lines.append(
                f"| {kind} shop: not below {words} | {min(found):+.3f} | lowest of {seeds} | {'yes' if min(found) >= 0 else 'no'} |"
            )
    return f"### The goals\n\n{table(['goal of the default method', 'figure', 'of', 'met'], lines)}"


def by_recipe(methods: list[Row]) -> dict[str, list[Row]]:
    """Rows that differ in their seed alone, by what their names (RECIPE-SEED) have in common."""
    found: dict[str, list[Row]] = {}
    for row in methods:
        found.setdefault(row["name"].rsplit("-", 1)[0], []).append(row)
    return found


def block_ap_draws(rows: list[Row], split: str) -> np.ndarray:
    """Block AP of each resample, mean over the rows: float (1 + resamples,). All rows saw the same resamples of the same pairs."""
    return np.mean([np.array(row["block_ap_draws"][split].split(), float) for row in rows], axis=0)


def difference(rows: list[Row], peers: list[Row], split: str) -> Row:
    """Of block AP between the means of some rows and of others, paired resample by resample."""
    return interval(block_ap_draws(rows, split) - block_ap_draws(peers, split))


def _mean(figures: list[Row]) -> Row:
    """The mean of values, and of the ends of their intervals."""
    return {
        end: float(np.mean([figure[end] for figure in figures])) for end in ("value", "low", "high")
    }


def _line(goal: str, figure: Row, least: float, of: str) -> str:
    return f"| {goal} | {interval_words(figure)} | {of} | {'yes' if figure['value'] >= least else 'no'} |"


def _seeds(rows: list[Row]) -> str:
    return f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"


def _value(figure: Row) -> float:
    return float(figure["value"])
