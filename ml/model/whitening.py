"""PCA whitening: embeddings in which all directions vary alike.

What most products differ in, such as their pose, otherwise outweighs what tells designs apart.
Source: Jégou and Chum, "Negative evidences and co-occurences in image retrieval: the benefit of PCA
and whitening" (ECCV 2012), section 3.
"""

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf_shrinkage
from threadpoolctl import threadpool_limits

MANY = 4  # products for each kept component: so many are whitened wholly


def fit_whitening(
    embeddings: np.ndarray, components: int, many: int = MANY
) -> tuple[np.ndarray, np.ndarray]:
    """Fits a projection on embeddings; no labels are used.

    A whitened embedding is (embedding − center) @ projection. With fewer than `many * components`
    products, whitening would make any few of these equally far from one another, variants too. They
    are half whitened then: each component is divided by the root of its standard deviation only
    (docs/decisions.md). All components are kept, since what is new in other products lies where
    these hardly differ, and the covariance is shrunk towards that of embeddings that vary alike in
    all directions (Ledoit and Wolf 2004, equation 14; by 1 / products at least).

    Args:
        embeddings: float (products, size), at least one.
        components: number of principal components that are kept of many products.
        many: products for each kept component from which on embeddings are whitened wholly.

    Returns:
        center, float32 (size,), and projection, float32 (size, components or size). The sign of
        each component is fixed: its largest number is positive.
    """
    center = embeddings.mean(axis=0, dtype=np.float64)
    moved = embeddings - center
    size = moved.shape[1]
    wholly = len(moved) >= many * components
    # The last bits depend on the number of threads, which belongs to the record of a training.
    with threadpool_limits(torch.get_num_threads(), "blas"):
        covariance = moved.T @ moved / len(moved)
        mean_variance = np.trace(covariance) / size
        if mean_variance == 0:  # a single product, or all alike
            return center.astype(np.float32), np.eye(size, dtype=np.float32)
        shrinkage = max(ledoit_wolf_shrinkage(moved, assume_centered=True), 1 / len(moved))
        variance, axes = np.linalg.eigh(covariance)
    variance = (1 - shrinkage) * variance.clip(0) + shrinkage * mean_variance
    kept = min(components, size) if wholly else size
    axes, variance = axes[:, ::-1][:, :kept], variance[::-1][:kept]
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(kept)])
    scale = variance ** (-0.5 if wholly else -0.25)
    return center.astype(np.float32), (axes * signs * scale).astype(np.float32)
