"""Crops a picture to the square that the encoder gets."""

from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import Field

from ml.prepare.foreground import Box
from ml.prepare.localize import LocalizeParams, localize


class CropParams(LocalizeParams):
    """The params under `prepare` in params.yaml."""

    side: int = Field(ge=32, le=1024, description="side of the square crop in pixels")


def crop_product(
    picture: np.ndarray, how: CropParams, *, article_type: str
) -> tuple[np.ndarray, np.ndarray, Box]:
    """Crops a picture to its product and resizes the crop to a square, with its mask for training.

    Args:
        picture: uint8 (height, width, 3).
        article_type: what the product is; some localizers search for it.

    Returns:
        The crop, uint8 (side, side, 3); its mask, uint8 (side, side), 255 on the product; and the
        product's box in the picture, in pixels.

    Raises:
        UserError: the detector cannot be loaded (see `ml.prepare.detector`).
    """
    product = localize(picture, how, article_type=article_type)
    left, top, right, bottom = product.box
    mask = Image.fromarray(product.mask[top:bottom, left:right].astype(np.uint8) * 255)
    resized = mask.resize((how.side, how.side), Image.Resampling.BILINEAR)
    return _square(picture, product.box, how.side), np.asarray(resized), product.box


def crop_picture(picture: np.ndarray, how: CropParams, *, article_type: str) -> np.ndarray:
    """Crops a picture as `crop_product` does, without the mask: uint8 (side, side, 3)."""
    box = localize(picture, how, article_type=article_type).box
    return _square(picture, box, how.side)


def _square(picture: np.ndarray, box: Box, side: int) -> np.ndarray:
    left, top, right, bottom = box
    part = Image.fromarray(picture[top:bottom, left:right])
    return np.asarray(part.resize((side, side), Image.Resampling.BICUBIC))


def with_weights(how: CropParams, file: Path) -> CropParams:
    """Returns the same params, with the detector's weights (if a detector is used) in `file`."""
    if how.localizer != "detector" or how.detector is None:
        return how
    return how.model_copy(
        update={"detector": how.detector.model_copy(update={"weights": str(file)})}
    )
