"""The names of groups, from product ids of any type."""

import pandas as pd

from ml.core.errors import UserError

EXACT = 2**53  # a float tells whole numbers below this apart


def id_names(ids: pd.Series) -> pd.Series:
    """Returns ids as texts that name groups: 1000000.0 as "1000000", no id as its row ("row 3").

    pandas turns whole numbers into floats where another id of the table is missing.

    Args:
        ids: texts, numbers or nothing, of any dtype.

    Raises:
        UserError: an id is given twice, or is a float too large to be exact.
    """
    names = pd.Series([_name(one, place) for place, one in enumerate(ids.tolist())], dtype=object)
    twice = names[names.duplicated()]
    if len(twice):
        raise UserError(
            f"the product_id {str(twice.iloc[0])[:100]!r} is given twice: give each product an id "
            "of its own"
        )
    return names


def _name(one: object, place: int) -> str:
    if one is None or one is pd.NA or one is pd.NaT or one != one:
        return f"row {place}"
    if isinstance(one, float) and one.is_integer():
        if abs(one) >= EXACT:
            raise UserError(
                f"the product_id {one:.0f} is a number too large to be told from its neighbours: "
                "give ids as texts"
            )
        return str(int(one))
    return str(one)
