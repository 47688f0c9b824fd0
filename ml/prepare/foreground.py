"""The product as what stands out from a background of one colour."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

TOLERANCE = 18  # of 255: how far, in its most different channel, a pixel may be from the background's colour
MARGIN = 0.03  # of the box's longer side, kept around the product
SMALLEST, LARGEST = 0.02, 0.97  # share of the picture; outside it the product was not found

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom exclusive


class Product(NamedTuple):
    """Where the product is.

    Attributes:
        box: the part of the picture to look at.
        mask: bool (height, width) of the whole picture, true on the product.
    """

    box: Box
    mask: np.ndarray


def foreground(picture: np.ndarray) -> Product:
    """Takes away the background that is connected to the border and of one near-uniform colour.

    Args:
        picture: uint8 (height, width, 3).

    Returns:
        The box of what remains, with a margin; the whole picture where there is no such background.
    """
    frame = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(
        np.int16
    )
    colour = np.median(frame, axis=0)
    lowest, highest = (
        np.ceil(colour - TOLERANCE).clip(0),
        np.floor(colour + TOLERANCE).clip(max=255),
    )
    within = (picture >= lowest.astype(np.uint8)) & (picture <= highest.astype(np.uint8))
    labels, count = ndimage.label(within[..., 0] & within[..., 1] & within[..., 2])
    background = np.zeros(count + 1, bool)
    background[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    background[0] = False  # what is not near the colour
    mask = ~background[labels]
    mask = ndimage.binary_opening(mask, iterations=1)  # JPEG specks are no product
    if not SMALLEST <= mask.mean() <= LARGEST:
        return whole(picture)
    return Product(box_around(mask), mask)


def whole(picture: np.ndarray) -> Product:
    """No localisation: the product fills the picture."""
    height, width, _ = picture.shape
    return Product((0, 0, width, height), np.ones((height, width), bool))


def box_around(mask: np.ndarray) -> Box:
    """The box of a mask that is not empty, with a margin.

    Args:
        mask: bool (height, width).
    """
    height, width = mask.shape
    left, top, right, bottom = extent(mask)
    margin = round(MARGIN * max(bottom - top, right - left))
    return (
        max(0, left - margin),
        max(0, top - margin),
        min(width, right + margin),
        min(height, bottom + margin),
    )


def extent(mask: np.ndarray) -> Box:
    """The box of a mask that is not empty, without a margin."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
