"""Embeds cropped pictures batch by batch, and sets the center that an encoder subtracts."""

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
        encoder: it is put in evaluation mode, and its device is used.
        pictures: uint8 (products, height, width, 3), memory-mapped or not.
        advance: called after each batch with the number of its pictures.

    Returns:
        float32 (products, encoder.size), each embedding of length 1.
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    embeddings = np.empty((len(pictures), encoder.size), np.float32)
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + BATCH])).to(device)
        found = encoder(batch.permute(0, 3, 1, 2).float() / 255)
        embeddings[start : start + BATCH] = found.cpu().numpy()
        advance(len(batch))
    return embeddings


def set_center(encoder: Encoder, pictures: np.ndarray) -> None:
    """Centers an encoder on the mean embedding of pictures.

    Args:
        pictures: uint8 (products, height, width, 3), those of the train split.
    """
    encoder.center.zero_()
    mean = torch.from_numpy(embed_pictures(encoder, pictures).mean(axis=0))
    encoder.center.copy_(mean)
