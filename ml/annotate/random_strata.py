"""Draws pairs at random in strata, so that each has a known probability to be in the sample."""

import numpy as np
import pandas as pd

from ml.annotate.candidates import PLACES, rows_of
from ml.annotate.known_answers import UNKNOWN, WAITING
from ml.annotate.pair_scan import Pairs
from ml.annotate.selection import Reservoir

RANDOM = "random"  # how the names of the strata begin
LEAST = 5  # pairs that are drawn of each stratum, if it has as many


class RandomStrata:
    """A simple random sample in each stratum of what nobody has answered, and counts of the rest.

    Args:
        names, why: of the strata, and in words what is drawn from.
        size: number of pairs that may be drawn of a stratum.
        random: of the draws.

    Attributes:
        known: int (places, answers), pairs that are answered, by `PLACES` and `DIFFERENT`, `SAME`
            and `UNSURE`.
    """

    def __init__(
        self, names: list[str], why: list[str], size: int, random: np.random.Generator
    ) -> None:
        self.names, self.why = names, why
        self.strata = [Reservoir(size, random) for _ in names]
        self.known = np.zeros((len(PLACES), 3), int)

    @property
    def sizes(self) -> np.ndarray:
        """The number of pairs of each stratum: int (strata,)."""
        return np.array([one.offered for one in self.strata])

    def offer(
        self, pairs: Pairs, stratum: np.ndarray, place: np.ndarray, answer: np.ndarray
    ) -> None:
        """Offers pairs, each of them once.

        Args:
            stratum: int (pairs,), positions in `names`.
            place: int (pairs,), positions in `PLACES`.
            answer: int (pairs,), what is known of them, see `ml.annotate.known_answers`.
        """
        asked = (answer == UNKNOWN) | (answer == WAITING)
        for number, reservoir in enumerate(self.strata):
            here = np.flatnonzero(asked & (stratum == number))
            if len(here):
                reservoir.offer(pairs.left[here], pairs.right[here])
        np.add.at(self.known, (place[~asked], answer[~asked]), 1)

    def rows(self, ids: pd.Series, counts: np.ndarray) -> list[pd.DataFrame]:
        """Returns so many pairs of each stratum, as rows of a batch."""
        return [
            rows_of(ids, one.drawn(count), name, one.offered, f"drawn at random {why}")
            for one, name, count, why in zip(self.strata, self.names, counts, self.why, strict=True)
        ]


def allocate(budget: int, sizes: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Divides a budget over strata.

    Args:
        sizes: int (strata,), which no part exceeds.
        weight: float (strata,), what the parts are proportional to beyond `LEAST` pairs for each.

    Returns:
        int (strata,), whose sum is the budget, or all there is.
    """
    parts = np.minimum(sizes, min(LEAST, budget // max(len(sizes), 1)))
    while (left := min(budget, int(sizes.sum())) - int(parts.sum())) > 0:
        room = sizes - parts
        wish = np.where(room > 0, np.maximum(weight, 1e-9), 0)
        wish = left * wish / wish.sum()
        more = np.minimum(np.floor(wish).astype(int), room)
        if not more.any():
            more[np.argsort(-wish, kind="stable")[: min(left, int((room > 0).sum()))]] = 1
        parts = parts + more
    return np.asarray(parts)
