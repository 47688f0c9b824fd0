"""Finds annotated pairs that contradict each other."""

import numpy as np
import pandas as pd

from ml.data.annotations import components


def contradicts(pairs: pd.DataFrame) -> pd.Series:
    """Returns whether each pair contradicts the others.

    A usable negative pair does if a chain of usable positive pairs joins its two products; so does
    a pair that has both labels.

    Args:
        pairs: left, right, color_variants (missing values are allowed), and optionally confidence.
    """
    usable = pairs[["left", "right", "color_variants"]].notna().all(axis=1)
    if "confidence" in pairs:
        usable &= pairs["confidence"].fillna("high") != "low"
    names = pd.Index(pd.unique(pairs.loc[usable, ["left", "right"]].to_numpy().ravel()))
    left, right = names.get_indexer(pairs["left"]), names.get_indexer(pairs["right"])
    positive = (usable & (pairs["color_variants"] == 1).fillna(False)).to_numpy(bool)
    design = components(len(names), left[positive], right[positive])
    joined = design[left] == design[right] if len(design) else np.zeros(len(pairs), bool)
    return pd.Series(usable.to_numpy(bool) & ~positive & joined, index=pairs.index)
