"""Guesses a missing brand, gender or article type by a product's title; a person decides."""

import difflib
import re
from collections.abc import Sequence

ALIKE = 0.85  # least ratio of `difflib`: one letter in six may differ
POSSESSIVE = re.compile(r"['’]s\b")  # of "women's shirt"
MOST = 5000  # known values that are compared, the most frequent ones


def likely_value(title: str, known: Sequence[str]) -> str | None:
    """Returns the known value that a title holds, or one that is spelt nearly like a part of it.

    Of several the longest counts, then the one that comes first in `known`.

    Args:
        title: such as "Acme Men Striped Shirt".
        known: values that other products have, the most frequent first.
    """
    words, values = POSSESSIVE.sub("", title.casefold()).split(), dict[str, str]()
    for one in known[:MOST]:
        values.setdefault(one.casefold(), one)
    lengths = sorted({len(one.split()) for one in values}, reverse=True)
    for length in lengths:
        parts = [
            " ".join(words[start : start + length]) for start in range(len(words) - length + 1)
        ]
        alike = [one for one in values if len(one.split()) == length]
        exact = [one for one in alike if one in parts]
        if exact:
            return values[max(exact, key=len)]
        near = [
            found
            for part in parts
            if len(part) > 3  # of shorter words most differ in one letter
            for found in difflib.get_close_matches(part, alike, 1, ALIKE)
        ]
        if near:
            return values[max(near, key=len)]
    return None
