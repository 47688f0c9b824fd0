"""How a model decides the pairs that people corrected: a metric of its own, beside all others."""

from typing import Any

import numpy as np
import pandas as pd

from ml.data.annotations import CORRECTION


def on_corrections(
    products: pd.DataFrame, pairs: pd.DataFrame, embeddings: np.ndarray, threshold: float
) -> dict[str, Any]:
    """Measures how often a threshold decides a corrected pair as people did.

    The model that served when they were made is wrong about nearly all of them, since nobody
    corrects what is right. So this compares no two models, and the gate does not look at it.

    Args:
        products: product_id and split.
        pairs: left, right, color_variants, maybe origin.
        embeddings: float (products, size), relative to their blocks, each of length 1.
        threshold: 1 − cosine.

    Returns:
        {"corrections": {split: {"pairs": number, "right": share}}}, with the splits that have such
        pairs; {} without any.
    """
    if "origin" not in pairs:
        return {}
    corrected = pairs[pairs["origin"].eq(CORRECTION)]
    index = pd.Index(products["product_id"])
    left, right = (index.get_indexer(pd.Index(corrected[side])) for side in ("left", "right"))
    distance = 1 - np.einsum("nd,nd->n", embeddings[left], embeddings[right])
    is_right = (distance <= threshold) == (corrected["color_variants"].to_numpy(int) == 1)
    splits = products["split"].to_numpy()
    found = {}
    for name in dict.fromkeys(splits[left].tolist()):
        own = (splits[left] == name) & (splits[right] == name)
        if own.any():
            found[name] = {"pairs": int(own.sum()), "right": float(is_right[own].mean())}
    return {"corrections": found} if found else {}
