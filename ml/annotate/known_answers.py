"""Which pairs of products are known to be variants or not: said by people, or following from it.

If A is a variant of B, and B is none of C, then A is none of C: nobody need be asked.
"""

import numpy as np
import pandas as pd

from ml.data.annotations import components

DIFFERENT, SAME, UNSURE, WAITING, UNKNOWN = range(5)
CODES = {"different": DIFFERENT, "same": SAME, "unsure": UNSURE, "waiting": WAITING}


class KnownAnswers:
    """What follows from answers about pairs of products.

    Args:
        count: number of products.
        left, right: int (answers,), positions of products.
        answer: int (answers,), `DIFFERENT`, `SAME`, `UNSURE` (nobody can tell) or `WAITING` (people
            are asked already). Where answers contradict one another, "same" counts.

    Attributes:
        answered: bool (count,), whether a product occurs in a pair that is decided.
    """

    def __init__(self, count: int, left: np.ndarray, right: np.ndarray, answer: np.ndarray) -> None:
        same, apart = answer == SAME, answer == DIFFERENT
        self.answered = np.zeros(count, bool)
        for side in (left, right):
            self.answered[side[same | apart]] = True
        self._named = self.answered.copy()
        for side in (left, right):
            self._named[side] = True
        self._design = components(count, left[same], right[same])
        itself = np.arange(count)
        self._listed = {  # in the order in which one overrules those before it
            WAITING: (itself, _keys(itself, left[answer == WAITING], right[answer == WAITING])),
            UNSURE: (itself, _keys(itself, left[answer == UNSURE], right[answer == UNSURE])),
            DIFFERENT: (self._design, _keys(self._design, left[apart], right[apart])),
        }

    def of(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Returns what is known of pairs: int8 (pairs,); `UNKNOWN` if nothing is."""
        found = np.full(len(left), UNKNOWN, np.int8)
        named = np.flatnonzero(self._named[left] & self._named[right])
        one, other = left[named], right[named]
        for code, (number, keys) in self._listed.items():
            found[named[np.isin(_keys(number, one, other), keys)]] = code
        found[named[self._design[one] == self._design[other]]] = SAME
        return found


def known_answers(ids: pd.Series, said: pd.DataFrame) -> KnownAnswers:
    """Returns what is known about the products of a table.

    Args:
        ids: of the products.
        said: left and right (ids), and answer: a key of `CODES`. Rows with a product of no such id
            are left out.
    """
    index = pd.Index(ids)
    left, right = (index.get_indexer(pd.Index(said[side])) for side in ("left", "right"))
    here = (left >= 0) & (right >= 0) & (left != right)
    answer = said["answer"].map(CODES).to_numpy(int)
    return KnownAnswers(len(index), left[here], right[here], answer[here])


def _keys(number: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns a number for each pair, the same in either order."""
    one, other = number[left].astype(np.int64), number[right].astype(np.int64)
    return np.minimum(one, other) * len(number) + np.maximum(one, other)
