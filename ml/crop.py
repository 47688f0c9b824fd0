"""How a picture becomes what the encoder sees."""

from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from ml.localize import LOCALIZERS
from ml.params import Params


class CropParams(Params):
    """The knobs under `prepare` in params.yaml."""

    size: int = Field(ge=32, le=1024, description="side of the square crop in pixels")
    localizer: Literal["foreground", "none"] = Field(description="how the product is found in its picture")


def crop_product(picture: np.ndarray, how: CropParams) -> tuple[np.ndarray, np.ndarray, tuple[int, int, int, int]]:
    """Crops a picture to its product and resizes the crop to a square.

    Args:
        picture: uint8 (height, width, 3).

    Returns:
        The crop, uint8 (size, size, 3); its mask, uint8 (size, size), 255 on the product; and the box in the picture.
    """
    product = LOCALIZERS[how.localizer](picture)
    left, top, right, bottom = product.box
    side = (how.size, how.size)
    crop = Image.fromarray(picture[top:bottom, left:right]).resize(side, Image.Resampling.BICUBIC)
    mask = Image.fromarray(product.mask[top:bottom, left:right].astype(np.uint8) * 255)
    return np.asarray(crop), np.asarray(mask.resize(side, Image.Resampling.BILINEAR)), product.box
