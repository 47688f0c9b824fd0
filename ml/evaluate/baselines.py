"""Naive baselines: embeddings without training, which every metric of the model stands beside."""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

import numpy as np
import torch
from PIL import Image

from ml.model.embedding import embed_pictures
from ml.model.encoder import Encoder, EncoderParams
from ml.model.luminance import LUMINANCE
from ml.model.whitening import fit_whitening

THUMBNAIL = 32  # pixels a side
WHITENED = 512  # principal components
IMAGENET = EncoderParams(
    input="rgb",
    backbone="tf_efficientnet_lite0",
    weights="imagenet",
    frozen_batchnorm=True,
    slices="none",
    slices_from="feature_map",
    join="concat",
    mirror=False,
    whitening=0,
)


def pixels(pictures: np.ndarray) -> np.ndarray:
    """Embeds the colour pixels of the crop at 32 × 32, minus their mean.

    Args:
        pictures: uint8 (products, height, width, 3).

    Returns:
        float32 (products, 3072), each of length 1.
    """
    return _embeddings(_thumbnails(pictures))


def gray(pictures: np.ndarray) -> np.ndarray:
    """Embeds the gray pixels (the luminance) of the crop at 32 × 32, minus their mean.

    This baseline is strong where variants are photographed in one pose.

    Args:
        pictures: uint8 (products, height, width, 3).

    Returns:
        float32 (products, 1024), each of length 1.
    """
    return _embeddings(_thumbnails(pictures) @ np.array(LUMINANCE, np.float32))


def imagenet(pictures: np.ndarray) -> np.ndarray:
    """Embeds with globally pooled features of an ImageNet classifier, EfficientNet-Lite0.

    Args:
        pictures: uint8 (products, height, width, 3), the model's own crops.

    Returns:
        float32 (products, 1280), each of length 1.
    """
    return embed_pictures(Encoder(IMAGENET).to(memory_format=torch.channels_last), pictures)


def imagenet_gray(pictures: np.ndarray) -> np.ndarray:
    """Embeds gray pictures as `imagenet` does."""
    return imagenet(gray_pictures(pictures))


def imagenet_gray_whitened(pictures: np.ndarray) -> np.ndarray:
    """Whitens the embeddings of `imagenet_gray` on these same pictures; no labels are used.

    No other naive baseline is as hard to beat.

    Args:
        pictures: uint8 (products, height, width, 3).

    Returns:
        float32 (products, 512, or 1280 where they are half whitened), each of length 1.
    """
    return _whitened(imagenet_gray(pictures))


def gray_pictures(pictures: np.ndarray) -> np.ndarray:
    """Puts the luminance (Pillow's) in all three channels.

    Args:
        pictures: uint8 (products, height, width, 3).

    Returns:
        uint8 (products, height, width, 3).
    """
    luminance = [np.asarray(Image.fromarray(picture).convert("L")) for picture in pictures]
    return np.repeat(np.stack(luminance)[..., None], 3, axis=3)


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pixels": pixels,
    "gray": gray,
    "imagenet": imagenet,
    "imagenet_gray": imagenet_gray,
    "imagenet_gray_whitened": imagenet_gray_whitened,
}


def embed_baselines(
    pictures: np.ndarray, names: Iterable[str] = tuple(BASELINES)
) -> Iterator[tuple[str, np.ndarray]]:
    """Embeds pictures by several baselines; features that two of them share are computed once.

    Args:
        pictures: uint8 (products, height, width, 3).
        names: of baselines.

    Yields:
        Name of the baseline and its embeddings, float32 (products, any), each of length 1.
    """
    shared = cache(lambda: imagenet_gray(pictures))
    for name in names:
        if name == "imagenet_gray":
            yield name, shared()
        elif name == "imagenet_gray_whitened":
            yield name, _whitened(shared())
        else:
            yield name, BASELINES[name](pictures)


def _whitened(embeddings: np.ndarray) -> np.ndarray:
    center, projection = fit_whitening(embeddings, WHITENED)
    return _unit((embeddings - center) @ projection)


def _thumbnails(pictures: np.ndarray) -> np.ndarray:
    size = (THUMBNAIL, THUMBNAIL)
    return np.stack(
        [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BOX)) for p in pictures]
    ).astype(np.float32)


def _embeddings(pictures: np.ndarray) -> np.ndarray:
    flat = pictures.reshape(len(pictures), -1)
    return _unit(flat - flat.mean(axis=1, keepdims=True))


def _unit(embeddings: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return np.asarray(embeddings / np.maximum(length, 1e-6))
