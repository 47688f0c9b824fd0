"""Finds the ids that a mistyped one may stand for."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from heapq import nlargest
from itertools import takewhile

SHOWN = 3
LIKE = 0.75  # least similarity of a suggestion, from 0 to 1
COMPARED = 5000  # ids that are compared letter by letter: those that begin or end most alike


def nearest_ids(one: str, known: Sequence[str]) -> list[str]:
    """Returns up to three known ids that are most like a given one, the most alike first."""
    text = one.casefold()

    def shared(other: str) -> int:
        """Counts the letters at the beginning, or else at the end, that both ids have."""
        two = other.casefold()
        return max(_alike(text, two), _alike(text[::-1], two[::-1]))

    matcher = SequenceMatcher(b=text, autojunk=False)
    found = []
    for other in nlargest(COMPARED, known, key=shared):
        matcher.set_seq1(other.casefold())
        if matcher.real_quick_ratio() >= LIKE and matcher.quick_ratio() >= LIKE:
            found.append((matcher.ratio(), shared(other), other))
    return [other for like, _, other in nlargest(SHOWN, found) if like >= LIKE]


def _alike(one: str, two: str) -> int:
    """Counts the letters with which both texts begin."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, two, strict=False)))
