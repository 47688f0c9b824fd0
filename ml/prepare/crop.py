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


def crop_picture(picture: np.ndarray, how: CropParams, *, article_type: str) -> np.ndarray:
    """Crops a picture to its product: uint8 (side, side, 3). Args and errors: see `localize`."""
    return square(picture, localize(picture, how, article_type=article_type).box, how.side)


def square(picture: np.ndarray, box: Box, side: int) -> np.ndarray:
    """Resizes a box of a picture to a square: uint8 (side, side, 3)."""
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
