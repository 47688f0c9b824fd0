"""Stage embed: computes L2-normalised embeddings of all products."""

from pathlib import Path

import numpy as np

from ml.core.device import exact, pick_device
from ml.core.files import replacing
from ml.core.paths import EMBEDDED, PREPARED, TRAINED
from ml.core.progress import progress
from ml.model.embedding import embed_pictures
from ml.model.encoder import load_encoder


def main(prepared: Path = PREPARED, model: Path = TRAINED, out: Path = EMBEDDED) -> None:
    """Embeds every prepared product with the trained encoder.

    Writes embeddings.npy, float32 (products, size), in the order of products.parquet.
    """
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    encoder, facts = load_encoder(model)
    exact(facts["threads"])
    encoder = encoder.to(pick_device("auto"))
    with progress("embed", len(pictures), "products") as advance:
        embeddings = embed_pictures(encoder, pictures, advance)
    with replacing(out / "embeddings.npy") as beside, beside.open("wb") as file:
        np.save(file, embeddings)
