"""Naive baselines: what every figure of the model stands beside."""

from collections.abc import Callable

import numpy as np
import torch
from PIL import Image

from ml.model.embedding import embed_pictures
from ml.model.encoder import Encoder, EncoderParams
from ml.model.luminance import LUMINANCE

THUMBNAIL = 32  # pixels a side
IMAGENET = EncoderParams(
    input="rgb",
    backbone="tf_efficientnet_lite0",
    weights="imagenet",
    frozen_batchnorm=True,
    slices="none",
    slices_from="feature_map",
    join="concat",
    mirror=False,
)


def pixels(pictures: np.ndarray) -> np.ndarray:
    """Embeds colour pixels: the crop at 32 × 32, mean-centred.

    Args:
        pictures: uint8 (products, height, width, 3).

    Returns:
        float32 (products, 3072), each of length 1.
    """
    return _rows(_thumbnails(pictures))


def gray(pictures: np.ndarray) -> np.ndarray:
    """Embeds gray pixels: as `pixels`, of the luminance, float32 (products, 1024).

    It is a strong baseline wherever variants are photographed in one pose.
    """
    return _rows(_thumbnails(pictures) @ np.array(LUMINANCE, np.float32))


def imagenet(pictures: np.ndarray) -> np.ndarray:
    """Embeds with globally pooled features of an ImageNet classifier, EfficientNet-Lite0.

    The pictures have the model's own resolution.
    """
    return embed_pictures(Encoder(IMAGENET).to(memory_format=torch.channels_last), pictures)


def imagenet_gray(pictures: np.ndarray) -> np.ndarray:
    """The same, of gray pictures: the naive baseline that is hardest to beat."""
    return imagenet(gray_pictures(pictures))


def gray_pictures(pictures: np.ndarray) -> np.ndarray:
    """Luminance (Pillow's) in all three channels: uint8 (n, h, w, 3) → uint8 (n, h, w, 3)."""
    luminance = [np.asarray(Image.fromarray(picture).convert("L")) for picture in pictures]
    return np.repeat(np.stack(luminance)[..., None], 3, axis=3)


BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "pixels": pixels,
    "gray": gray,
    "imagenet": imagenet,
    "imagenet_gray": imagenet_gray,
}


def _thumbnails(pictures: np.ndarray) -> np.ndarray:
    size = (THUMBNAIL, THUMBNAIL)
    return np.stack(
        [np.asarray(Image.fromarray(p).resize(size, Image.Resampling.BOX)) for p in pictures]
    ).astype(np.float32)


def _rows(pictures: np.ndarray) -> np.ndarray:
    rows = pictures.reshape(len(pictures), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6))
