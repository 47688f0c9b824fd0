"""Half whitening: what many products vary in together counts less."""

import numpy as np

POWER = 0.25  # of the variance; 0 leaves embeddings as they are, 0.5 whitens them wholly
NOISE = 1e-6  # components with less than this share of the largest variance are rounding errors


def half_whitened(embeddings: np.ndarray) -> np.ndarray:
    """Centers embeddings and divides each principal component by the root of its deviation.

    Whitening divides by the standard deviation itself. It makes any few products equally far from
    one another, so that it needs more products than components. Its square root gains as much with
    thousands of products and loses nothing with dozens (docs/decisions.md).

    Args:
        embeddings: float (products, size), of all products of a catalogue; no labels are used.

    Returns:
        float32 (products, size), each of length 1; zeros where a product equals the mean, as a
        single product does.
    """
    moved = embeddings - embeddings.mean(axis=0)
    variance, axes = np.linalg.eigh((moved.T @ moved).astype(np.float64) / max(1, len(moved)))
    kept = variance > NOISE * max(variance[-1], NOISE)
    scaled = (moved @ axes[:, kept]) * variance[kept] ** -POWER
    length = np.linalg.norm(scaled, axis=1, keepdims=True)
    whitened = np.zeros(embeddings.shape, np.float32)
    whitened[:, : scaled.shape[1]] = scaled / np.where(length > 0, length, 1)
    return whitened
