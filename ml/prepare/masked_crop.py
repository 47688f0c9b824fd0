"""Crops a picture with the product's mask, which training recolours by."""

import numpy as np
from PIL import Image

from ml.prepare.crop import CropParams, square
from ml.prepare.foreground import Box
from ml.prepare.localize import localize


def crop_product(
    picture: np.ndarray, how: CropParams, *, article_type: str
) -> tuple[np.ndarray, np.ndarray, Box]:
    """Crops a picture to its product and resizes crop and mask to a square.

    Args:
        picture: uint8 (height, width, 3).
        article_type: what the product is; some localizers search for it.

    Returns:
        The crop, uint8 (side, side, 3), as of `ml.prepare.crop.crop_picture`; its mask, uint8
        (side, side), 255 on the product; and the product's box in the picture, in pixels.

    Raises:
        UserError: the detector cannot be loaded (see `ml.prepare.detector`).
    """
    product = localize(picture, how, article_type=article_type)
    left, top, right, bottom = product.box
    mask = Image.fromarray(product.mask[top:bottom, left:right].astype(np.uint8) * 255)
    resized = mask.resize((how.side, how.side), Image.Resampling.BILINEAR)
    return square(picture, product.box, how.side), np.asarray(resized), product.box
