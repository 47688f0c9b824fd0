"""The findings at the head of docs/results.md: sentences whose numbers come from the finished rows.

The bold claims are written by hand; tests/test_results.py holds each of them against the rows.
"""

from statistics import mean
from textwrap import fill
from typing import Any

from benchmarks.goals import (
    DEFAULT,
    block_ap_draws,
    by_recipe,
    difference,
    goal_list,
    mean_interval,
)
from benchmarks.markdown import interval_words
from ml.evaluate.bootstrap import interval

Row = dict[str, Any]
WIDTH = 100  # columns of a line of prose
REFERENCE = "reference"  # the ablation that changes nothing
TOLD = {  # ablations that the last finding names, and how it names their change
    "localizer-none": "whole pictures instead of the products that `foreground` finds",
    "no-luminance": "no luminance curves among the augmentations",
    "size-192": "192 px instead of 128 px",
}


def findings(rows: list[Row]) -> str:
    """A numbered Markdown list; findings whose rows are not finished are left out."""
    methods = by_recipe([row for row in rows if row["group"] == "methods"])
    ablations = {row["name"]: row for row in rows if row["group"] == "ablations"}
    told = []
    if DEFAULT in methods:
        told = [_level(methods), _untrained(methods), _annotated(methods), _goals(methods)]
    told.append(_ablations(ablations))
    numbered = enumerate((words for words in told if words), start=1)
    return "\n".join(_item(f"{place}. {words}") for place, words in numbered)


def _level(methods: dict[str, list[Row]]) -> str:
    own = methods[DEFAULT]
    seconds = mean(row["train_seconds"] for row in own)
    baselines = own[0]["baselines"]
    imagenet, gray = (baselines[name]["test"]["block_ap"] for name in ("imagenet_gray", "gray"))
    gain = mean_interval([row["gains"]["imagenet_gray"]["test"] for row in own])
    return (
        "**The model finds colour variants of brands that it has never seen.** After "
        f"{seconds:.0f} s of training on 2 CPU cores the default has block AP "
        f"{interval_words(interval(block_ap_draws(own, 'test')))} on the test brands (mean of "
        f"{len(own)} seeds). ImageNet features of gray pictures have {interval_words(imagenet)}, "
        f"gray pixels {interval_words(gray)}. The paired gain over the former is "
        f"{interval_words(gain)}."
    )


def _untrained(methods: dict[str, list[Row]]) -> str:
    if "untrained" not in methods:
        return ""
    untrained = methods["untrained"]
    value = interval(block_ap_draws(untrained, "test"))
    test, dev = (difference(methods[DEFAULT], untrained, split) for split in ("test", "dev"))
    return (
        "**Most of the gain needs no training.** The same network before its first step has block "
        f"AP {interval_words(value)} on test: its input is luminance, quadrants and the mirror "
        "image are embedded too, and products are compared relative to their block. "
        f"Training adds {interval_words(test)} on test, whose interval {_zero(test)}, and "
        f"{interval_words(dev)} on dev, whose interval {_zero(dev)}."
    )


def _annotated(methods: dict[str, list[Row]]) -> str:
    peers = {
        "pbcnet": "PBCNet, which learns from pictures alone",
        "moco_v2": "MoCo v2, which does so without slices and rivals",
        "triplet": "the triplet model, which learns from annotated pairs alone",
    }
    gains = {
        words: difference(methods[DEFAULT], methods[name], "test")
        for name, words in peers.items()
        if name in methods
    }
    if not gains:
        return ""
    told = [f"above {words}, by {interval_words(gain)}" for words, gain in gains.items()]
    return (
        "**Annotated pairs help.** The default learns from pictures and from annotated pairs of "
        f"the train brands. Its block AP on test is {'; '.join(told)}."
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
        f"The share of designs recovered exactly (CGacc) is {mean(exact):.3f} in the mean, but "
        f"{min(exact):.3f} to {max(exact):.3f} over the seeds, because each seed has a threshold "
        "of its own from dev."
    )


def _ablations(ablations: dict[str, Row]) -> str:
    if REFERENCE not in ablations or not set(TOLD) <= set(ablations):
        return ""
    changes = {
        name: difference([row], [ablations[REFERENCE]], "dev")
        for name, row in ablations.items()
        if name != REFERENCE
    }
    told = "; ".join(f"{words}: {interval_words(changes[name])}" for name, words in TOLD.items())
    proven = [name for name, change in changes.items() if not _holds_zero(change)]
    named = ", ".join(f"`{name}`" for name in proven) or "none of them"
    return (
        "**What the network sees counts more than the params of its loss.** Changes of block AP "
        f"on dev by one change each (one seed, 128 px): {told}. Of {len(changes)} such changes "
        f"the interval excludes zero for {named} only."
    )


def _holds_zero(difference: Row) -> bool:
    return bool(difference["low"] <= 0 <= difference["high"])


def _zero(difference: Row) -> str:
    return "includes zero" if _holds_zero(difference) else "excludes zero"


def _item(text: str) -> str:
    return fill(
        text, WIDTH, subsequent_indent="   ", break_long_words=False, break_on_hyphens=False
    )
