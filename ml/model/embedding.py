"""Stage embed: L2-normalised embeddings of all products."""

from pathlib import Path

import numpy as np
import torch

from ml.core.command import run_stage
from ml.core.device import exact, pick_device
from ml.core.files import replacing
from ml.core.paths import EMBEDDED, PREPARED, TRAINED
from ml.core.progress import Advance, progress
from ml.model.encoder import Encoder, load_encoder

BATCH = 64


@torch.inference_mode()
def embed_pictures(encoder: Encoder, pictures: np.ndarray, advance: Advance = lambda count: None) -> np.ndarray:
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


def main(prepared: Path = PREPARED, model: Path = TRAINED, out: Path = EMBEDDED) -> None:
    """Embeds every prepared product with the trained encoder."""
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    encoder, facts = load_encoder(model)
    exact(facts["threads"])
    encoder = encoder.to(pick_device("auto"))
    with progress("embed", len(pictures), "products") as advance:
        rows = embed_pictures(encoder, pictures, advance)
    with replacing(out / "embeddings.npy") as beside, beside.open("wb") as file:
        np.save(file, rows)


if __name__ == "__main__":
    run_stage(main)
