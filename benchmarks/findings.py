"""The findings at the head of docs/results.md: sentences whose numbers come from the finished rows.

The bold claims are written by hand; tests/test_results.py holds each of them against the rows.
"""

from statistics import mean
from textwrap import fill
from typing import Any

from benchmarks.goals import (
    DEFAULT,
    UNTRAINED,
    by_recipe,
    difference,
    goal_list,
    mean_interval,
    mean_metric,
)
from benchmarks.markdown import interval_words

Row = dict[str, Any]
WIDTH = 100  # columns of a line of prose
CENTERED = "untrained_centered"


def findings(rows: list[Row]) -> str:
    """A numbered Markdown list; findings whose rows are not finished are left out."""
    methods = by_recipe(rows)
    told = []
    if DEFAULT in methods:
        told = [part(methods) for part in (_level, _whitening, _training, _annotated, _goals)]
    numbered = enumerate((words for words in told if words), start=1)
    return "\n".join(_item(f"{place}. {words}") for place, words in numbered)


def _level(methods: dict[str, list[Row]]) -> str:
    own = methods[DEFAULT]
    baselines = own[0]["baselines"]
    whitened, gray = (
        baselines[name]["test"]["mean_ap"] for name in ("imagenet_gray_whitened", "imagenet_gray")
    )
    gain = mean_interval([row["gains"]["imagenet_gray_whitened"]["test"]["mean_ap"] for row in own])
    return (
        "**The model finds colour variants of brands that it has never seen.** On the test brands "
        f"the default has mean AP {_of(own, 'mean_ap')} and block AP {_of(own, 'block_ap')} (means "
        f"of {len(own)} seeds), with {own[0]['numbers']} numbers an embedding. ImageNet features "
        f"of gray pictures have mean AP {interval_words(gray)}, whitened "
        f"{interval_words(whitened)}. The paired gain over the latter is {interval_words(gain)}."
    )


def _whitening(methods: dict[str, list[Row]]) -> str:
    if not {UNTRAINED, CENTERED} <= set(methods):
        return ""
    changes = {
        (split, metric): difference(methods[UNTRAINED], methods[CENTERED], split, metric)
        for split in ("test", "dev")
        for metric in ("block_ap", "mean_ap")
    }
    return (
        "**Whitening helps each product find its variants first.** The untrained network gains "
        f"{interval_words(changes['test', 'mean_ap'])} in mean AP by it on test and "
        f"{interval_words(changes['dev', 'mean_ap'])} on dev. Whether one threshold serves all "
        "blocks better is not settled: block AP changes by "
        f"{interval_words(changes['test', 'block_ap'])} on test, by "
        f"{interval_words(changes['dev', 'block_ap'])} on dev."
    )


def _training(methods: dict[str, list[Row]]) -> str:
    if UNTRAINED not in methods:
        return ""
    gains = {
        metric: difference(methods[DEFAULT], methods[UNTRAINED], "test", metric)
        for metric in ("mean_ap", "block_ap")
    }
    return (
        "**Training adds to whitened features, and mean AP sees it.** Over the same network before "
        f"its first step, whitened alike, mean AP on test rises by "
        f"{interval_words(gains['mean_ap'])}, whose interval {_zero(gains['mean_ap'])}; block AP "
        f"by {interval_words(gains['block_ap'])}, whose interval {_zero(gains['block_ap'])}."
    )


def _annotated(methods: dict[str, list[Row]]) -> str:
    peers = {
        "pbcnet": "PBCNet, which learns from pictures alone",
        "moco_v2": "MoCo v2, which does so without rivals and without a whitened head",
        "triplet": "the triplet model, which learns from annotated pairs alone",
    }
    found = {words: methods[name] for name, words in peers.items() if name in methods}
    if not found:
        return ""
    told = [
        f"{words}: {interval_words(difference(methods[DEFAULT], rows, 'test', 'mean_ap'))} and "
        f"{interval_words(difference(methods[DEFAULT], rows, 'test'))}"
        for words, rows in found.items()
    ]
    return (
        "**No rival is above the default.** Its differences on test, in mean AP and in block AP, "
        f"to {'; to '.join(told)}. All are whitened alike."
    )


def _goals(methods: dict[str, list[Row]]) -> str:
    goals = goal_list([row for seeds in methods.values() for row in seeds])
    missed = [goal for goal in goals if goal.short]
    exact = [row["figures"]["test"]["cgacc"]["value"] for row in methods[DEFAULT]]
    told = "; ".join(
        f"{goal.words} (the rows have {goal.value}, short by {goal.short:.2g})" for goal in missed
    )
    return (
        f"**{len(goals) - len(missed)} of {len(goals)} goals are met.** Not met: {told or 'none'}. "
        f"The share of designs recovered exactly (CGacc) is {mean(exact):.3f} in the mean, and "
        f"{min(exact):.3f} to {max(exact):.3f} over the seeds, because each seed has a threshold "
        "of its own from dev."
    )


def _of(rows: list[Row], metric: str) -> str:
    return interval_words(mean_metric(rows, "test", metric))


def _holds_zero(difference: Row) -> bool:
    return bool(difference["low"] <= 0 <= difference["high"])


def _zero(difference: Row) -> str:
    return "includes zero" if _holds_zero(difference) else "excludes zero"


def _item(text: str) -> str:
    return fill(
        text, WIDTH, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
    )
