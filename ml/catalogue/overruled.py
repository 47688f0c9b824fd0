"""How often people have decided otherwise than a model by itself."""

import numpy as np

from ml.catalogue.block_grouping import Grouper, Rows, group_alone
from ml.catalogue.constraints import Constraints, overruled


def overruled_model(
    embeddings: Rows, grouper: Grouper, held: Constraints, readable: np.ndarray
) -> int:
    """Counts the corrections and locked groups that a model alone would not have kept.

    Each block with a correction or a lock is grouped once more: without them, without the groups of
    the version before, and relative to its mean of today.

    Args:
        embeddings: float16 or float32 (products, size), not relative to blocks.
        grouper: the model.
        held: corrections and locks of these products.
        readable: bool (products,), whether a product's picture can be read; else it is alone.
    """
    named = np.concatenate([held.said[:, :2].ravel(), *held.locked.values()]).astype(int)
    touched = np.isin(held.block, np.unique(held.block[named]))
    return overruled(group_alone(embeddings, grouper, held.block, touched & readable), held)
