"""What several answers to one pair say together, and which of such pairs contradict each other."""

from collections import Counter
from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
import pandas as pd

from ml.data.annotations import components

Answer = Literal["same", "different", "unsure"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
CONFLICT = "conflict"


def consensus(answers: Iterable[str]) -> str:
    """Returns what the answers of several people to one pair say together.

    It is the answer that more than half of them gave. Without such one, it is "conflict" if "same"
    and "different" are both among the answers, so that one more person settles it; else "unsure".
    """
    counts = Counter(answers)
    for answer, count in counts.items():
        if 2 * count > counts.total():
            return answer
    return CONFLICT if counts["same"] and counts["different"] else "unsure"


def contradictory(pairs: pd.DataFrame) -> pd.Series:
    """Returns which pairs belong to a design that contradicts itself.

    Products are of one design if a chain of pairs says so. If a pair within a design is said to be
    different, one link of some chain is wrong, and nobody knows which: so all pairs within this
    design are in doubt.

    Args:
        pairs: left, right, and same (bool).

    Returns:
        bool, with the index of `pairs`.
    """
    ends = pairs[["left", "right"]].to_numpy(object)
    names = pd.Index(pd.unique(ends.ravel()))
    left, right = (names.get_indexer(ends[:, side]) for side in (0, 1))
    same = pairs["same"].to_numpy(bool)
    design = components(len(names), left[same], right[same])
    within = design[left] == design[right]
    wrong = np.unique(design[left[within & ~same]])
    return pd.Series(within & np.isin(design[left], wrong), index=pairs.index)
