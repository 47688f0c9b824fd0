"""Weights between the initial and the trained ones keep more of what pretraining knew."""

import torch
from torch import Tensor


def interpolate_weights(
    initial: dict[str, Tensor], trained: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Interpolates linearly between initial and trained weights.

    Source: WiSE-FT, arXiv 2109.01903, section 3.

    Args:
        initial, trained: state dicts with equal names and shapes; counters, which are no weights,
            are the trained ones.
        share: 0 gives the initial weights, 1 the trained ones.
    """
    return {
        name: torch.lerp(initial[name], value, share) if value.is_floating_point() else value
        for name, value in trained.items()
    }
