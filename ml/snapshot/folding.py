"""Folds values that look alike into one value: white space, Unicode forms, invisible characters."""

import unicodedata
from collections.abc import Callable, Collection

import pandas as pd

# Characters without width or meaning of their own, which copying from pages and PDFs leaves:
# soft hyphen, zero-width space, marks of direction, word joiner and byte order mark. The joiners
# U+200C and U+200D stay: they are letters' forms in Persian and parts of emoji.
INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200e\u200f\u2060\ufeff"))
# Characters that no person types and no database need hold: all controls but tab and line ends, and
# halves of surrogate pairs.
CONTROLS = dict.fromkeys(
    [*range(9), 11, 12, *range(14, 32), *range(127, 160), *range(0xD800, 0xE000)]
)


def fold(text: str) -> str:
    """Returns a text in Unicode form NFC, with single spaces and without invisible characters.

    Every run of white space, such as no-break spaces and line ends, becomes one space, and none is
    left at the ends.
    """
    if not text.isascii():  # of a large catalogue most values are, and need only half the work
        text = unicodedata.normalize("NFC", text.translate(INVISIBLE))
    return " ".join(text.split())


def fold_table(
    table: pd.DataFrame, name: str, log: Callable[[str], None], exact: Collection[str] = ()
) -> pd.DataFrame:
    """Folds all values of a table, and logs a warning for each column in which values change.

    Args:
        table: texts, and None for missing values; its index is named "line" or "row".
        name: of the file, for the warnings.
        log: called with each warning.
        exact: columns that are kept as they are, such as paths.

    Returns:
        The table with folded values; those of which nothing is left are None.
    """
    folded = table.copy()
    for column in table.columns.difference(list(exact), sort=False):
        values = table[column].tolist()
        # Many products have the same brand or type, so each value is folded once.
        folds = {one: fold(one) or None for one in dict.fromkeys(values) if one is not None}
        new = [folds.get(one) for one in values]
        changed = [place for place, one in enumerate(values) if one != new[place]]
        if changed:
            first = changed[0]
            log(
                f"warning: {name}: {len(changed)} values of column {column} hold special or "
                "repeated spaces, invisible characters or another Unicode form, as "
                f"{table.index.name} {table.index[first]}: {values[first]!a} is read as "
                f"{new[first]!a}"
            )
        folded[column] = pd.Series(new, index=table.index, dtype=object)
    return folded
