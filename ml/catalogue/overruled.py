"""How often people have decided otherwise than a model by itself."""

import numpy as np

from ml.catalogue.block_grouping import Block, Grouper, group_block
from ml.catalogue.constraints import Constraints, overruled
from ml.catalogue.memory import Rows


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
    label = np.arange(len(held.block))
    for number in np.unique(held.block[touched]):
        members = np.flatnonzero(touched & readable & (held.block == number))
        if len(members):
            alone = Block(embeddings[members], None, np.full(len(members), -1), 0.0)
            # A group has the number of its first product, which is no other group's.
            found = group_block(alone, grouper).label
            first = np.unique(found, return_index=True)[1]
            label[members] = members[first][found]
    return overruled(label, held)
