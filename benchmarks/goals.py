"""The goals on the test brands, each with its figure from the finished rows: met, not met, or not measured yet."""

from typing import Any

import numpy as np

from benchmarks.markdown import table
from ml.bootstrap import interval

Row = dict[str, Any]
DEFAULT, PEERS = "pbcnet_semi", {"moco_v2": 0.05, "triplet": 0.0, "byol": 0.0, "simsiam": 0.0}
FLOORS = {"block_ap": ("block AP", 0.85), "recall_at_1": ("recall@1", 0.92), "cgacc": ("CGacc", 0.65)}
OVER_IMAGENET_GRAY = 0.15


def goals(methods: list[Row]) -> str:
    """A Markdown table; figures are means over the seeds that are finished, their intervals of the first seed."""
    rows = {name: [row for row in methods if row["method"] == name] for name in {row["method"] for row in methods}}
    own = rows.get(DEFAULT, [])
    if not own:
        return ""
    lines = [
        _line(
            f"{words} ≥ {least:.2f}",
            [_value(row["figures"]["test"][figure]) for row in own],
            own[0]["figures"]["test"][figure],
            least,
        )
        for figure, (words, least) in FLOORS.items()
    ]
    gains = [row["gains"]["imagenet_gray"]["test"] for row in own]
    lines.append(
        _line(
            f"block AP ≥ {OVER_IMAGENET_GRAY} above ImageNet, gray",
            [_value(gain) for gain in gains],
            gains[0],
            OVER_IMAGENET_GRAY,
        )
    )
    for peer, least in PEERS.items():
        if peer in rows:
            found = [difference(a, b, "test") for a in own for b in rows[peer]]
            lines.append(_line(f"block AP ≥ {least} above {peer}", [_value(one) for one in found], found[0], least))
    for kind in own[0]["elsewhere"]:
        for words, name in (
            ("gray pixels", "gray"),
            ("ImageNet, gray", "imagenet_gray"),
            ("itself fed gray pictures", "model, gray pictures"),
        ):
            found = [_value(row["elsewhere"][kind]["model"]) - _value(row["elsewhere"][kind][name]) for row in own]
            lines.append(
                f"| {kind} shop: not below {words} | {np.mean(found):+.3f} | {'yes' if min(found) >= 0 else 'no'} |"
            )
    return f"### The goals\n\n{table(['goal of the default method', 'figure', 'met'], lines)}"


def difference(row: Row, peer: Row, split: str) -> Row:
    """Of block AP, paired: both rows saw the same resamples of the same pairs."""
    own, other = (np.array(one["block_ap_draws"][split].split(), float) for one in (row, peer))
    return interval(own - other)


def _line(goal: str, values: list[float], first: Row, least: float) -> str:
    mean = float(np.mean(values))
    seeds = f", mean of {len(values)}" if len(values) > 1 else ""
    return f"| {goal} | {mean:.3f} ({first['low']:.3f} to {first['high']:.3f}{seeds}) | {'yes' if mean >= least else 'no'} |"


def _value(figure: Row) -> float:
    return float(figure["value"])
