"""Confidence intervals by resampling whole designs, since pairs that share a product are not independent.

Cluster bootstrap: Davison and Hinkley, "Bootstrap methods and their application" (1997), section
    3.8; percentile interval.
"""

import numpy as np

LEVEL = 0.95


def resample(designs: int, resamples: int, seed: int) -> np.ndarray:
    """How often each design is drawn.

    Returns:
        float (1 + resamples, designs); the first row is all ones: the sample itself.
    """
    random = np.random.default_rng(seed)
    drawn = random.multinomial(designs, np.full(designs, 1 / designs), size=resamples)
    return np.concatenate([np.ones((1, designs)), drawn])


def pair_weights(weight: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Weights of pairs from the weights of the designs at both ends.

    Args:
        weight: float (resamples, designs); left, right: int (pairs,), design at each end.

    Returns:
        float (resamples, pairs): a pair within a design comes once for each copy of the design, a
        pair of two designs once for each pair of copies.
    """
    return np.where(left == right, weight[:, left], weight[:, left] * weight[:, right])


def interval(figures: np.ndarray, level: float = LEVEL) -> dict[str, float | None]:
    """Value and percentile interval.

    Args:
        figures: float (1 + resamples,), the sample's own figure first. Resamples in which it is
            undefined are left out.

    Returns:
        {"value", "low", "high"}; None where undefined.
    """
    defined = figures[1:][~np.isnan(figures[1:])]
    value = None if np.isnan(figures[0]) else float(figures[0])
    if value is None or not len(defined):
        return {"value": value, "low": None, "high": None}
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def spread(figures: np.ndarray) -> float:
    """Standard deviation over the resamples in which the figure is defined; figures as `interval` takes them."""
    return float(np.nanstd(figures[1:], ddof=1))
