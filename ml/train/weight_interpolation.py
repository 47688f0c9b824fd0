"""Weights between the initial and the trained ones: what was learnt, without all that was forgotten for it."""

import torch
from torch import Tensor


def interpolate_weights(
    initial: dict[str, Tensor], trained: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Goes a share of the straight way from the initial weights to the trained ones (WiSE-FT: arXiv 2109.01903, section 3).

    Args:
        initial, trained: state dicts with equal names and shapes; counters, which are no weights,
            are the trained ones.
        share: 0 gives the initial weights, 1 the trained ones.
    """
    return {
        name: torch.lerp(initial[name], value, share) if value.is_floating_point() else value
        for name, value in trained.items()
    }
