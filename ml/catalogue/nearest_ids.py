"""Finds the ids that a mistyped one may stand for."""

from collections.abc import Sequence
from difflib import SequenceMatcher
from heapq import nlargest

SHOWN = 3
LIKE = 0.75  # least similarity of a suggestion, from 0 to 1
MANY = 20_000  # ids that are compared letter by letter; of more, those that share an end


def nearest_ids(one: str, known: Sequence[str]) -> list[str]:
    """Returns up to three known ids that are most like a given one, the most alike first.

    Args:
        one: an id that is not known.
        known: ids; of millions only those are compared that begin or end like `one`.
    """
    text = one.casefold()
    some = known
    if len(known) > MANY:
        ends = text[:3], text[-3:]
        some = [two for two in known if two[:3].casefold() == ends[0] or two.endswith(ends[1])]
    matcher = SequenceMatcher(b=text, autojunk=False)
    found = []
    for two in some[: 10 * MANY]:
        matcher.set_seq1(two.casefold())
        if matcher.real_quick_ratio() >= LIKE and matcher.quick_ratio() >= LIKE:
            found.append((matcher.ratio(), two))
    return [two for like, two in nlargest(SHOWN, found) if like >= LIKE]
