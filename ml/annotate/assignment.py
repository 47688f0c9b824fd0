"""Who looks at which pair of a batch."""

from collections.abc import Sequence

import numpy as np

from ml.core.errors import UserError


def assign(
    pairs: int, annotators: Sequence[str], overlap: float, seed: int
) -> list[tuple[int, str]]:
    """Deals the pairs of a batch to annotators, evenly and at random.

    Each pair goes to one annotator, and a share of the pairs to a second one too, so that agreement
    can be measured. The same arguments give the same result.

    Args:
        pairs: number of pairs.
        annotators: their names, each once.
        overlap: share of the pairs that two people look at, 0 to 1.
        seed: from 0.

    Returns:
        (position of the pair, name), in the order of positions.

    Raises:
        UserError: the share is none, or there are fewer than two annotators to overlap.
    """
    check_deal(annotators, overlap)
    if not annotators:
        return []
    count, dealt = len(annotators), []
    twice = round(overlap * pairs)
    for turn, place in enumerate(np.random.default_rng(seed).permutation(pairs).tolist()):
        dealt.append((place, annotators[turn % count]))
        if turn < twice:  # each round, everybody's second pair comes from the same distance
            step = 1 + turn // count % (count - 1)
            dealt.append((place, annotators[(turn + step) % count]))
    return sorted(dealt, key=lambda one: one[0])


def check_deal(annotators: Sequence[str], overlap: float) -> None:
    """Checks the arguments of `assign`, and raises as it does."""
    if not 0 <= overlap <= 1:
        raise UserError(f"the overlap is a share of the pairs: write 0 to 1, not {overlap}")
    if overlap and len(annotators) < 2:
        raise UserError("an overlap needs two annotators or more: name them with --annotator")
