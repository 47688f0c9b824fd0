"""The goals on the test brands, each with its value from the finished rows: met or not met."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.markdown import interval_words, table
from ml.evaluate.bootstrap import interval

Row = dict[str, Any]
DEFAULT = "pbcnet_semi"
UNTRAINED = "untrained"
RIVALS = ("pbcnet", "moco_v2", "triplet", "byol", "simsiam")
FLOORS = {
    "block_ap": ("block AP", 0.90),
    "mean_ap": ("mean AP", 0.965),
    "recall_at_1": ("recall@1", 0.955),
    "cgacc": ("CGacc", 0.75),
}
NUMBERS = 512  # of an embedding, at most
SECOND_SHOPS = {  # what the default may not be below there, by its name in the rows
    "imagenet_gray_whitened": "ImageNet, gray, whitened",
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

    Intervals are of these means where the rows hold the resamples (`benchmarks.judge.PAIRED`),
    elsewhere the mean of the seeds' intervals, which is no narrower: all seeds saw the same
    resamples.
    """
    rows = by_recipe(methods)
    own = rows.get(DEFAULT, [])
    if not own:
        return []
    of, found = f"mean of {_seeds(own)}", []
    for name, (words, least) in FLOORS.items():
        metric = mean_metric(own, "test", name)
        goal = Goal(
            f"{words} ≥ {least}", interval_words(metric), of, _short(metric["value"], least)
        )
        found.append(goal)
    numbers = max(row["numbers"] for row in own)
    words = f"at most {NUMBERS} numbers an embedding"
    found.append(Goal(words, str(numbers), of, float(max(0, numbers - NUMBERS))))
    if UNTRAINED in rows:
        gain = difference(own, rows[UNTRAINED], "test", "mean_ap")
        words = "mean AP provably above the same network untrained and whitened"
        both = f"means of {_seeds(own)} and {_seeds(rows[UNTRAINED])}"
        found.append(Goal(words, interval_words(gain), both, _short(gain["low"], 0.0)))
    for rival in (name for name in RIVALS if name in rows):
        both = f"means of {_seeds(own)} and {_seeds(rows[rival])}"
        for name in ("block_ap", "mean_ap"):
            gain = difference(own, rows[rival], "test", name)
            words = f"{FLOORS[name][0]} above {rival}"
            found.append(Goal(words, interval_words(gain), both, _short(gain["value"], 0.0)))
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


def mean_draws(rows: list[Row], split: str, metric: str) -> np.ndarray:
    """A metric of each resample, mean over the rows: float (1 + resamples,).

    All rows saw the same resamples of the same pairs.
    """
    return np.mean([np.array(row["draws"][split][metric].split(), float) for row in rows], axis=0)


def difference(rows: list[Row], peers: list[Row], split: str, metric: str = "block_ap") -> Row:
    """The difference between the means of two sets of rows, paired by resample."""
    return interval(mean_draws(rows, split, metric) - mean_draws(peers, split, metric))


def mean_metric(rows: list[Row], split: str, metric: str) -> Row:
    """The mean of a metric over rows with its interval."""
    if metric in rows[0]["draws"][split]:
        return interval(mean_draws(rows, split, metric))
    return mean_interval([row["figures"][split][metric] for row in rows])


def mean_interval(metrics: list[Row]) -> Row:
    """The mean of values, and of the ends of their intervals."""
    return {
        end: float(np.mean([metric[end] for metric in metrics])) for end in ("value", "low", "high")
    }


def _short(value: float, least: float) -> float:
    return max(0.0, least - value)


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
