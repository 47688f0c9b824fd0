"""Weight interpolation: weights between the initial and the trained ones generalise better."""

import torch
from torch import Tensor


def interpolate_weights(
    initial: dict[str, Tensor], trained: dict[str, Tensor], share: float
) -> dict[str, Tensor]:
    """Interpolates linearly between initial and trained weights.

    Source: WiSE-FT, arXiv 2109.01903, section 3.

    Args:
        initial, trained: state dicts with equal names and shapes.
        share: 0 returns the initial weights, 1 the trained ones.

    Returns:
        A state dict. Values that are no floating-point numbers (counters) are the trained ones.
    """
    return {
        name: torch.lerp(initial[name], value, share) if value.is_floating_point() else value
        for name, value in trained.items()
    }
