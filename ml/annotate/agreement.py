"""How far people agree who looked at the same pairs."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from ml.annotate.consensus import ANSWERS


@dataclass(frozen=True)
class Kappa:
    """Cohen's kappa of two people.

    Attributes:
        people: their names.
        pairs: number of pairs that both answered.
        kappa: 1: they always agree; 0: no more than by chance; None: both gave one and the same
            answer to all, so that chance alone explains it.
    """

    people: tuple[str, str]
    pairs: int
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """How far people agree.

    Attributes:
        pairs: number of pairs that two people or more answered.
        percent: share of equal answers among all two answers to one pair; None without any.
        cohen: for each two people who answered a pair in common, by name.
        fleiss: Fleiss' kappa of the pairs that `raters` people answered; None as of `Kappa`.
        raters: the most frequent number of people, of two or more, who answered a pair; 0: none.
        rated: number of the pairs that `raters` people answered.
    """

    pairs: int
    percent: float | None
    cohen: list[Kappa]
    fleiss: float | None
    raters: int
    rated: int

    def words(self) -> list[str]:
        """Says it in sentences; none without a pair that two people answered."""
        if self.percent is None:
            return []
        told = [
            f"{self.pairs:,} pairs were answered by two people or more; "
            f"{self.percent:.0%} of two answers to one pair are equal"
        ]
        if self.raters > 2:
            told.append(
                f"Fleiss' kappa of the {self.rated:,} pairs that {self.raters} people answered: "
                f"{_shown(self.fleiss)}"
            )
        for one in self.cohen:
            who = " and ".join(one.people)
            told.append(f"Cohen's kappa of {who}, {one.pairs:,} pairs: {_shown(one.kappa)}")
        return told


def agreement(answers: pd.DataFrame) -> Agreement:
    """Measures the agreement of people.

    Args:
        answers: pair, person, and answer (of `ml.annotate.consensus.ANSWERS`); each person answers
            a pair at most once.
    """
    table = answers.pivot(index="pair", columns="person", values="answer")
    table = table[table.notna().sum(axis=1) >= 2]
    counts = np.stack([(table == one).sum(axis=1).to_numpy(int) for one in ANSWERS], axis=1)
    raters = counts.sum(axis=1)
    twos = raters * (raters - 1)
    equal = (counts * (counts - 1)).sum(axis=1)
    numbers, how_often = np.unique(raters, return_counts=True)
    usual = int(numbers[how_often.argmax()]) if len(numbers) else 0
    return Agreement(
        pairs=len(table),
        percent=float(equal.sum() / twos.sum()) if len(table) else None,
        cohen=[
            _cohen(str(one), str(two), both)
            for one, two in combinations(sorted(table.columns), 2)
            if len(both := table[[one, two]].dropna())
        ],
        fleiss=_fleiss(counts[raters == usual]) if usual else None,
        raters=usual,
        rated=int((raters == usual).sum()),
    )


def _shown(kappa: float | None) -> str:
    return "not defined, since all answers are one" if kappa is None else f"{kappa:.2f}"


def _cohen(one: str, two: str, both: pd.DataFrame) -> Kappa:
    first, second = both[one], both[two]
    varied = pd.concat([first, second]).nunique() > 1
    kappa = float(cohen_kappa_score(first, second)) if varied else None
    return Kappa((one, two), len(both), kappa)


def _fleiss(counts: np.ndarray) -> float | None:
    """Args: int (pairs, answers), the number of people who gave each answer."""
    return float(fleiss_kappa(counts)) if (counts.sum(axis=0) > 0).sum() > 1 else None
