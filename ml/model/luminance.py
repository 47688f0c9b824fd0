"""What colours weigh."""

import torch

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601
PILLOW = (19595.0, 38470.0, 7471.0)  # the same in 65,536ths, as Pillow's convert("L") has them


def gray_levels(pictures: torch.Tensor) -> torch.Tensor:
    """Luminance in whole levels, bit for bit Pillow's `convert("L")`: what is fed gray pictures sees no other ones.

    Args:
        pictures: float32 (batch, 3, height, width) in 0 … 1.

    Returns:
        float32 (batch, 1, height, width) in 0 … 1.
    """
    weights = torch.tensor(PILLOW, device=pictures.device).view(3, 1, 1)
    weighed = ((pictures * 255).round() * weights).sum(
        dim=1, keepdim=True
    )  # below 2 ** 24: exact in float32
    return ((weighed + 32768) / 65536).floor() / 255
