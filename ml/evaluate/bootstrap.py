"""Confidence intervals by a bootstrap of whole designs.

Pairs that share a product are not independent, so the bootstrap draws designs and not pairs. Source
of this cluster bootstrap: Davison and Hinkley, "Bootstrap methods and their application" (1997),
section 3.8. Intervals are percentile intervals.
"""

from collections.abc import Callable, Iterator

import numpy as np

from ml.data.annotations import Annotations, PairSet

CHUNK = 20_000_000  # largest number of weights in memory at once
KEPT = 5_000_000  # largest number of weights of a set of pairs that are kept for the next metric
LEVEL = 0.95


def resample(designs: int, resamples: int, seed: int) -> np.ndarray:
    """Draws how often each resample holds each design.

    Args:
        designs: number of designs of the sample.
        resamples: number of draws, each of as many designs as the sample has, with replacement.
        seed: of the draws.

    Returns:
        float (1 + resamples, designs). Index 0 is the sample itself: every design once.
    """
    random = np.random.default_rng(seed)
    drawn = random.multinomial(designs, np.full(designs, 1 / designs), size=resamples)
    return np.concatenate([np.ones((1, designs)), drawn])


def pair_weights(weight: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Computes weights of pairs from the weights of the designs at both ends.

    Args:
        weight: float (resamples, designs), see `resample`.
        left, right: int (pairs,), the designs of the two products of each pair.

    Returns:
        float (resamples, pairs). A pair within a design counts once for each copy of the design; a
        pair of two designs counts once for each pair of copies.
    """
    return np.where(left == right, weight[:, left], weight[:, left] * weight[:, right])


class Resamples:
    """Bootstrap resamples of the designs of annotated products.

    Metrics that are computed with one object are paired: they use the same draws.

    Args:
        annotations: of the products that are measured.
        count: number of resamples, not counting the sample itself.
        seed: of the draws.

    Attributes:
        weight: float (1 + count, designs), see `resample`.
    """

    def __init__(self, annotations: Annotations, count: int, seed: int) -> None:
        self.annotations = annotations
        self.weight = resample(int(annotations.design.max()) + 1, count, seed)
        self._kept: dict[int, np.ndarray] = {}

    def over_designs(self, metric: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Computes metrics of designs for each resample, chunk by chunk: float (…, 1 + count).

        Args:
            metric: takes weights, float (chunk of resamples, designs), and returns float (…, chunk
                of resamples).
        """
        step = _resamples_at_once(self.annotations.block_pairs)
        starts = range(0, len(self.weight), step)
        parts = [metric(self.weight[start : start + step]) for start in starts]
        return np.concatenate(parts, axis=-1)

    def over_pairs(self, metric: Callable[[np.ndarray], np.ndarray], pairs: PairSet) -> np.ndarray:
        """Computes a metric of pairs for each resample, chunk by chunk: float (1 + count,).

        Args:
            metric: takes weights, float (chunk of resamples, pairs), and returns float (chunk of
                resamples,).
            pairs: pairs of the annotated products.
        """
        return np.concatenate([metric(weights) for weights in self._pair_weights(pairs)])

    def _pair_weights(self, pairs: PairSet) -> Iterator[np.ndarray]:
        known = self.annotations.block_pairs, self.annotations.hard
        small = len(pairs) * len(self.weight) <= KEPT
        if not (small and any(pairs is one for one in known)):
            yield from self._computed_weights(pairs)
            return
        if id(pairs) not in self._kept:
            self._kept[id(pairs)] = np.concatenate(list(self._computed_weights(pairs)))
        yield self._kept[id(pairs)]

    def _computed_weights(self, pairs: PairSet) -> Iterator[np.ndarray]:
        design, step = self.annotations.design, _resamples_at_once(pairs)
        left, right = design[pairs.left], design[pairs.right]
        for start in range(0, len(self.weight), step):
            yield pair_weights(self.weight[start : start + step], left, right)


def interval(draws: np.ndarray, level: float = LEVEL) -> dict[str, float | None]:
    """Computes the value and the percentile interval of a metric.

    Args:
        draws: float (1 + resamples,), the value of the sample itself first. Resamples in which the
            metric is undefined (NaN) are left out.
        level: share of the resamples between both ends of the interval.

    Returns:
        {"value", "low", "high"}; None where undefined.
    """
    defined = draws[1:][~np.isnan(draws[1:])]
    value = None if np.isnan(draws[0]) else float(draws[0])
    if value is None or not len(defined):
        return {"value": value, "low": None, "high": None}
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return {"value": value, "low": float(low), "high": float(high)}


def spread(draws: np.ndarray) -> float:
    """Computes the standard deviation of a metric over the resamples in which it is defined.

    Args:
        draws: float (1 + resamples,), the value of the sample itself first.
    """
    return float(np.nanstd(draws[1:], ddof=1))


def _resamples_at_once(pairs: PairSet) -> int:
    return max(1, CHUNK // max(len(pairs), 1))
