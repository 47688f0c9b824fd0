"""What was measured of first groups: the thresholds, and the words that say what they are worth.

first_groups.json beside this file holds both. `python -m benchmarks.first_groups` writes it.
"""

from pathlib import Path
from typing import Any

import numpy as np

from ml.core.files import read_json

FILE = Path(__file__).with_suffix(".json")


def threshold_of(products: int) -> float:
    """Returns the threshold (1 − cosine) for a catalogue of this many products.

    The more products, the nearer are variants after whitening. Between the sizes of catalogues for
    which a threshold was chosen, it is interpolated over the logarithm of the size.

    Args:
        products: number of products whose picture can be read, at least 1.
    """
    chosen = read_json(FILE)["thresholds"]
    sizes, thresholds = zip(*((one["products"], one["threshold"]) for one in chosen), strict=True)
    return float(np.interp(np.log(products), np.log(sizes), thresholds))


def worth() -> str:
    """Returns in one sentence how good first groups were on photos of a real shop."""
    measured: dict[str, Any] = read_json(FILE)["worth"]
    precision, recall = (_percent(measured[name]) for name in ("precision", "recall"))
    return (
        f"on {measured['products']:,} photos of a real shop, of the pairs of products that it puts "
        f"into one group {precision} are variants, and it finds {recall} of the pairs of variants"
    )


def _percent(metric: dict[str, float]) -> str:
    value, low, high = (f"{100 * metric[name]:.0f}" for name in ("value", "low", "high"))
    return f"{value} % ({low} to {high} %)"
