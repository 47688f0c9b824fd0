"""The goals on the test brands, each with its value from the finished rows: met or not met."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.markdown import interval_words, table
from ml.evaluate.bootstrap import interval

Row = dict[str, Any]
DEFAULT = "pbcnet_semi"
PEERS = {"moco_v2": 0.05, "triplet": 0.0, "byol": 0.0, "simsiam": 0.0, "untrained": 0.0}
LEAST = 0.85
FLOORS = {"recall_at_1": ("recall@1", 0.92), "cgacc": ("CGacc", 0.65)}
OVER_IMAGENET_GRAY = 0.15
SECOND_SHOPS = {  # what the default may not be below there, by its name in the rows
    "gray": "gray pixels",
    "imagenet_gray": "ImageNet, gray",
    "model, gray pictures": "itself fed gray pictures",
}


@dataclass(frozen=True)
class Goal:
    """A goal of the default method, and what the rows have.

    Attributes:
        words: the goal; value: what the rows have, with its interval where there is one.
        of: the seeds that the value is of; short: what the value lacks, 0 where the goal is met.
    """

    words: str
    value: str
    of: str
    short: float


def goals(methods: list[Row]) -> str:
    """A Markdown table of `goal_list`; an empty text without rows of the default method."""
    lines = [
        f"| {goal.words} | {goal.value} | {goal.of} | {'no' if goal.short else 'yes'} |"
        for goal in goal_list(methods)
    ]
    columns = ["goal of the default method", "value", "of", "met"]
    return f"### The goals\n\n{table(columns, lines)}" if lines else ""


def goal_list(methods: list[Row]) -> list[Goal]:
    """Every goal that the rows can decide; values are means over the seeds that are finished.

    Intervals are of these means where the rows hold the resamples (block AP and its differences to
    other methods), elsewhere the mean of the seeds' intervals, which is no narrower: all seeds saw
    the same resamples.
    """
    rows = by_recipe(methods)
    own = rows.get(DEFAULT, [])
    if not own:
        return []
    seeds = _seeds(own)
    of = f"mean of {seeds}"
    found = [_goal(f"block AP ≥ {LEAST}", interval(block_ap_draws(own, "test")), LEAST, of)]
    for name, (words, least) in FLOORS.items():
        metric = mean_interval([row["figures"]["test"][name] for row in own])
        found.append(_goal(f"{words} ≥ {least}", metric, least, of))
    gain = mean_interval([row["gains"]["imagenet_gray"]["test"] for row in own])
    words = f"block AP ≥ {OVER_IMAGENET_GRAY} above ImageNet, gray"
    found.append(_goal(words, gain, OVER_IMAGENET_GRAY, of))
    for peer, least in PEERS.items():
        if peer in rows:
            gain = difference(own, rows[peer], "test")
            both = f"means of {seeds} and {_seeds(rows[peer])}"
            found.append(_goal(f"block AP ≥ {least} above {peer}", gain, least, both))
    return found + [
        _elsewhere(own, kind, words, name)
        for kind in own[0]["elsewhere"]
        for name, words in SECOND_SHOPS.items()
    ]


def by_recipe(methods: list[Row]) -> dict[str, list[Row]]:
    """Rows that differ in their seed alone, by what their names (RECIPE-SEED) have in common."""
    found: dict[str, list[Row]] = {}
    for row in methods:
        found.setdefault(row["name"].rsplit("-", 1)[0], []).append(row)
    return found


def block_ap_draws(rows: list[Row], split: str) -> np.ndarray:
    """Block AP of each resample, mean over the rows: float (1 + resamples,).

    All rows saw the same resamples of the same pairs.
    """
    return np.mean([np.array(row["block_ap_draws"][split].split(), float) for row in rows], axis=0)


def difference(rows: list[Row], peers: list[Row], split: str) -> Row:
    """The difference in block AP between the means of two sets of rows, paired by resample."""
    return interval(block_ap_draws(rows, split) - block_ap_draws(peers, split))


def mean_interval(metrics: list[Row]) -> Row:
    """The mean of values, and of the ends of their intervals."""
    return {
        end: float(np.mean([metric[end] for metric in metrics])) for end in ("value", "low", "high")
    }


def _goal(words: str, metric: Row, least: float, of: str) -> Goal:
    return Goal(words, interval_words(metric), of, max(0.0, least - metric["value"]))


def _elsewhere(own: list[Row], kind: str, words: str, name: str) -> Goal:
    """On a second shop no seed may be below a baseline."""
    gains = [
        _value(row["elsewhere"][kind]["model"]) - _value(row["elsewhere"][kind][name])
        for row in own
    ]
    goal = f"{kind} shop: not below {words}"
    return Goal(goal, f"{min(gains):+.3f}", f"lowest of {_seeds(own)}", max(0.0, -min(gains)))


def _seeds(rows: list[Row]) -> str:
    return f"{len(rows)} seed{'s' if len(rows) > 1 else ''}"


def _value(figure: Row) -> float:
    return float(figure["value"])
