"""Embeds cropped pictures batch by batch, and fits the whitening of an encoder."""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch

from ml.core.progress import Advance
from ml.model.encoder import Encoder

BATCH = 64


class Pictures(Protocol):
    """Cropped pictures, uint8 (products, height, width, 3): an array, or what is read from one."""

    def __len__(self) -> int: ...
    def __getitem__(self, places: slice, /) -> np.ndarray: ...


def embed_pictures(
    encoder: Encoder, pictures: Pictures, advance: Advance = lambda count: None
) -> np.ndarray:
    """Embeds cropped pictures batch by batch, in order.

    Args:
        encoder: it is put in evaluation mode, and its device is used.
        pictures: uint8 (products, height, width, 3), memory-mapped or not.
        advance: called after each batch with the number of its pictures.

    Returns:
        float32 (products, encoder.size), each embedding of length 1.
    """
    return map_pictures(encoder, encoder, encoder.size, pictures, advance)


@torch.inference_mode()
def map_pictures(
    encoder: Encoder,
    function: Callable[[torch.Tensor], torch.Tensor],
    size: int,
    pictures: Pictures,
    advance: Advance = lambda count: None,
) -> np.ndarray:
    """Computes a function of an encoder for cropped pictures: float32 (products, size).

    Args:
        encoder, pictures, advance: as of `embed_pictures`.
        function: maps float (batch, 3, height, width), RGB in 0 … 1, to float (batch, size).
    """
    encoder.eval()
    device = next(encoder.parameters()).device
    values = np.empty((len(pictures), size), np.float32)
    for start in range(0, len(pictures), BATCH):
        batch = torch.from_numpy(np.array(pictures[start : start + BATCH])).to(device)
        found = function(batch.permute(0, 3, 1, 2).float() / 255)
        values[start : start + BATCH] = found.float().cpu().numpy()
        advance(len(batch))
    return values


def set_whitening(encoder: Encoder, pictures: Pictures) -> None:
    """Centers and whitens an encoder, as its params say, on the embeddings of pictures.

    Args:
        pictures: uint8 (products, height, width, 3), those of the train split.
    """
    from ml.model.whitening import fit_whitening  # which no registered model carries

    joined = map_pictures(encoder, encoder.joined, encoder.joined_size, pictures)
    center = joined.mean(axis=0)
    if encoder.projection is not None:
        center, projection = fit_whitening(joined, encoder.params.whitening)
        encoder.projection = torch.from_numpy(projection).to(encoder.projection.device)
    encoder.center.copy_(torch.from_numpy(center))
