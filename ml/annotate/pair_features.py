"""What an encoder says of annotated pairs, for small models that judge labels."""

import numpy as np

from ml.annotate.pair_scan import View

FEATURES = ("cosine", "nearer_of_one", "nearer_of_other", "block")


def pair_features(view: View, block: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Computes the features of pairs.

    Args:
        block: int (products,), from 0.
        left, right: int (pairs,), positions of products of one block each.

    Returns:
        float (pairs, features): the cosine similarity; the logarithms of 1 + the number of products
        of the block that are nearer to one of both than the other is, the smaller number first; and
        the logarithm of the number of products of the block.
    """
    found = np.zeros((len(left), len(FEATURES)))
    order = np.argsort(block, kind="stable")
    ends = np.cumsum(np.bincount(block, minlength=int(block.max(initial=0)) + 1))
    for number in np.unique(block[left]):
        members = order[ends[number - 1] if number else 0 : ends[number]]
        chosen = np.flatnonzero(block[left] == number)
        relative = view.relative(members)
        one, other = (np.searchsorted(members, side[chosen]) for side in (left, right))
        cosine = np.einsum("ij,ij->i", relative[one], relative[other])
        nearer = [
            (relative[end] @ relative.T > cosine[:, None] + 1e-6).sum(axis=1) - 1  # not itself
            for end in (one, other)
        ]
        ranks = np.log1p(np.maximum(np.sort(nearer, axis=0), 0))
        found[chosen] = np.column_stack(
            [cosine, *ranks, np.full(len(chosen), np.log(len(members)))]
        )
    return found
