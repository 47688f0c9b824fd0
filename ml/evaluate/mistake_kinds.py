"""Mistakes counted by kinds of pairs, beside all pairs: where a model's mistakes gather."""

from typing import Any

import numpy as np

from ml.data.annotations import Annotations
from ml.evaluate.picture_kinds import pair_kinds, picture_kinds


def mistake_kinds(
    annotations: Annotations,
    pictures: np.ndarray,
    masks: np.ndarray,
    similarity: np.ndarray,
    threshold: float,
) -> dict[str, dict[str, int]]:
    """Counts false positives and misses by kinds of pairs.

    Args:
        annotations: of the test split.
        pictures, masks: of its annotated products, see `ml.evaluate.picture_kinds.picture_kinds`.
        similarity: float (block pairs,), cosine similarity.
        threshold: 1 − cosine.

    Returns:
        Kind → numbers of block pairs: "other_designs", and "false_positives" among them;
        "variants", and "misses" among them. The first kind, "all", holds every pair.
    """
    pairs = annotations.block_pairs
    joined = similarity >= 1 - threshold
    kinds = pair_kinds(picture_kinds(pictures, masks), pairs.left, pairs.right)
    sets: dict[str, Any] = {
        "other_designs": ~pairs.label,
        "false_positives": ~pairs.label & joined,
        "variants": pairs.label,
        "misses": pairs.label & ~joined,
    }
    return {
        kind: {name: int((chosen & one).sum()) for name, one in sets.items()}
        for kind, chosen in {"all": np.ones_like(joined), **kinds}.items()
    }
