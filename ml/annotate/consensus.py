"""What several answers to one pair say together, and which of such pairs contradict each other."""

from typing import Literal, get_args

import numpy as np
import pandas as pd

from ml.data.annotations import components

Answer = Literal["same", "different", "unsure"]
ANSWERS: tuple[Answer, ...] = get_args(Answer)
CONFLICT = "conflict"


def consensus(said: pd.DataFrame, key: str = "pair") -> pd.Series:
    """Returns what the answers of several people to each pair say together.

    It is the answer that more than half of them gave. Without such one, it is "conflict" if "same"
    and "different" are both among the answers, so that one more person settles it; else "unsure".

    Args:
        said: answer, and the column `key`, which names the pair.

    Returns:
        Text, by the values of `key` in the order in which they come first.
    """
    order = pd.Index(said[key].unique(), name=key)
    counts = said.groupby([key, "answer"]).size().unstack(fill_value=0)
    counts = counts.reindex(index=order, columns=list(ANSWERS), fill_value=0)
    most, total = counts.max(axis=1), counts.sum(axis=1)
    split = (counts["same"] > 0) & (counts["different"] > 0)
    found = np.where(split, CONFLICT, "unsure").astype(object)
    sure = (2 * most > total).to_numpy()
    found[sure] = np.array(ANSWERS, object)[counts.to_numpy().argmax(axis=1)[sure]]
    return pd.Series(found, index=order, dtype=object)


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
