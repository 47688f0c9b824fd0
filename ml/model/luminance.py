"""The weights of colours in luminance, and gray levels."""

import torch

LUMINANCE = (0.299, 0.587, 0.114)  # of red, green, blue: ITU-R BT.601
PILLOW = (19595.0, 38470.0, 7471.0)  # the same in 65,536ths, as Pillow's convert("L") has them


def gray_levels(pictures: torch.Tensor) -> torch.Tensor:
    """Computes luminance in whole levels, bit for bit as Pillow's `convert("L")` does.

    Gray pictures that Pillow made therefore give the encoder the same input.

    Args:
        pictures: float32 (batch, 3, height, width) in 0 … 1.

    Returns:
        float32 (batch, 1, height, width) in 0 … 1.
    """
    weights = torch.tensor(PILLOW, device=pictures.device).view(3, 1, 1)
    # The sums are below 2 ** 24, where float32 is exact.
    weighed = ((pictures * 255).round() * weights).sum(dim=1, keepdim=True)
    return ((weighed + 32768) / 65536).floor() / 255
