"""Embeddings of cropped pictures, batch by batch, and the center that an encoder subtracts."""

import numpy as np
import torch

from ml.core.progress import Advance
from ml.model.encoder import Encoder

BATCH = 64


@torch.inference_mode()
def embed_pictures(
    encoder: Encoder, pictures: np.ndarray, advance: Advance = lambda count: None
) -> np.ndarray:
    """Embeds cropped pictures batch by batch, in order.

    Args:
        encoder: is put in evaluation mode; its device is used.
        pictures: uint8 (products, height, width, 3), memory-mapped or not.
        advance: called with the number of pictures done after each batch.

    Returns:
        float32 (products, encoder.size), rows of length 1.
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    rows = np.empty((len(pictures), encoder.size), np.float32)
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + BATCH])).to(device)
        rows[start : start + BATCH] = encoder(batch.permute(0, 3, 1, 2).float() / 255).cpu().numpy()
        advance(len(batch))
    return rows


def set_center(encoder: Encoder, pictures: np.ndarray) -> None:
    """Centers an encoder on the mean of pictures of the train split: uint8 (products, height, width, 3)."""
    encoder.center.zero_()
    mean = torch.from_numpy(embed_pictures(encoder, pictures).mean(axis=0))
    encoder.center.copy_(mean)
