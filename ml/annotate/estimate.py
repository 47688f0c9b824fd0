"""Estimates precision and recall of a catalogue's groups from pairs that were drawn at random.

Pairs that a model was unsure of, or that look alike, say nothing about a catalogue: they were
chosen. Pairs drawn in strata of known size do. A stratum's share of variants in the sample stands
for its pairs (Horvitz and Thompson 1952: each answer counts 1 / probability), and pairs whose
answer was known when the sample was drawn count as they are.

Intervals are of the posterior of what the answers to the pairs that were not drawn would be: a
Dirichlet-multinomial in each stratum (Lo 1988, "A Bayesian bootstrap for a finite population"),
with one pseudo-answer spread evenly over what an answer may be (Perks 1947). A bootstrap would have
no width where all answers of a stratum are equal, as they are in good groups and far outside, and a
normal interval would leave 0 … 1. Only the draw is random, and the truth is not: pairs that share
a product need not be independent.

Outside of groups variants are so rare that a few answers hold none, and a third of a pseudo-answer
in each of several large strata would make up hundreds. So the upper end of recall takes no
pseudo-answer for variants there: the interval has the ends of two posteriors, as that of Clopper
and Pearson (1934), and holds the truth more often than it says.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from ml.annotate.candidates import PLACES
from ml.annotate.known_answers import CODES, DIFFERENT, SAME

ANSWERS = ("different", "same", "unsure")  # in the order of their codes
DRAWS = 2000  # of the posterior
LEVEL = 0.95
OUT = PLACES.index("outside")

Interval = dict[str, float | None]


class Stratum(NamedTuple):
    """Pairs of which some were drawn at random and answered.

    Attributes:
        size: number of its pairs.
        counts: int (places, answers), pairs that were answered, by `PLACES` and `ANSWERS`.
        places: bool (places,), where its pairs may be.
    """

    size: int
    counts: np.ndarray
    places: np.ndarray

    @property
    def answered(self) -> int:
        """The number of pairs that were answered."""
        return int(self.counts.sum())


def strata_of(rows: pd.DataFrame, place: np.ndarray, sizes: dict[str, int]) -> list[Stratum]:
    """Returns the strata of a batch's random pairs.

    Args:
        rows: stratum, and answer: one of `ANSWERS`, or missing as long as nobody has answered.
            Batches are in random order, so that the first part of one is a sample too.
        place: int (rows,), positions in `PLACES` of where the pairs are.
        sizes: numbers of pairs of all strata. The name of one holds a word of `PLACES` if all its
            pairs are there.
    """
    found = []
    for name, size in sizes.items():
        chosen = (rows["stratum"].eq(name) & rows["answer"].notna()).to_numpy()
        counts = np.zeros((len(PLACES), len(ANSWERS)), int)
        answer = rows.loc[chosen, "answer"].map(CODES).to_numpy(int)
        np.add.at(counts, (place[chosen], answer), 1)
        named = np.array([one in name.split() for one in PLACES])
        found.append(Stratum(size, counts, named if named.any() else np.ones(len(PLACES), bool)))
    return found


def estimate(strata: list[Stratum], known: np.ndarray, seed: int = 0) -> dict[str, Interval]:
    """Estimates how good groups are, over all pairs of products that anybody can decide.

    Args:
        strata: a division of the pairs whose answer was not known.
        known: int (places, answers), those whose answer was known, by `PLACES` and `ANSWERS`.
        seed: of the draws of the posterior.

    Returns:
        {"pair_precision", "pair_recall" of all groups, "published_pair_precision",
        "published_pair_recall" of the published ones, "unsure": share of the pairs within groups
        that nobody can decide}, each {"value", "low", "high"} with a 95 % interval. Values are None
        as long as a stratum that matters has no answer, or if there is nothing to divide by.
    """
    random = np.random.default_rng(seed)
    total = np.repeat(known[None].astype(float), DRAWS, axis=0)
    fewest, value = total.copy(), known.astype(float)
    for one in strata:
        left = one.size - one.answered
        cells = np.repeat(one.places[:, None], len(ANSWERS), axis=1)
        for posterior, pseudo in ((total, cells / cells.sum()), (fewest, _fewest_missed(cells))):
            alpha = one.counts[cells] + pseudo[cells]
            share = random.dirichlet(alpha, size=DRAWS)
            posterior[:, cells] += one.counts[cells] + random.multinomial(left, share)
        scale = one.size / one.answered if one.answered else np.nan
        value = value + (np.where(cells, one.counts * scale, 0) if one.size else 0)
    lower, upper = _metrics(total), _metrics(fewest)
    return {
        name: _interval(found[0], lower[name], (upper if "recall" in name else lower)[name])
        for name, found in _metrics(value[None]).items()
    }


def _fewest_missed(cells: np.ndarray) -> np.ndarray:
    """Returns pseudo-answers, float (places, answers), of which none is a variant outside."""
    pseudo = cells / cells.sum()
    pseudo[OUT, DIFFERENT] += pseudo[OUT, SAME]
    pseudo[OUT, SAME] = 0
    return np.asarray(pseudo)


def _metrics(total: np.ndarray) -> dict[str, np.ndarray]:
    """Computes the metrics of numbers of pairs, float (any, places, answers): float (any,)."""
    same, different = total[:, :, SAME], total[:, :, DIFFERENT]
    within = same[:, :2].sum(axis=1), different[:, :2].sum(axis=1)
    variants, grouped = same.sum(axis=1), total[:, :2].sum(axis=(1, 2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "pair_precision": within[0] / (within[0] + within[1]),
            "pair_recall": within[0] / variants,
            "published_pair_precision": same[:, 0] / (same[:, 0] + different[:, 0]),
            "published_pair_recall": same[:, 0] / variants,
            "unsure": 1 - (within[0] + within[1]) / grouped,
        }


def _interval(value: float, lower: np.ndarray, upper: np.ndarray) -> Interval:
    """Returns the value with the interval of equal tails, which is made to hold the value.

    Args:
        lower, upper: float (draws,), the posteriors of either end.
    """
    if np.isnan(value) or np.isnan(lower).all():
        return {"value": None, "low": None, "high": None}
    low = float(np.nanquantile(lower, (1 - LEVEL) / 2))
    high = float(np.nanquantile(upper, (1 + LEVEL) / 2))
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}
