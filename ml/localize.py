"""Finding the product in its picture (step 1 of the paper's pipeline: crop, then embed)."""

from typing import NamedTuple

import numpy as np
from scipy import ndimage

TOLERANCE = 18  # of 255: how far, in its most different channel, a pixel may be from the background's colour
MARGIN = 0.03  # of the box's longer side, kept around the product
SMALLEST, LARGEST = 0.02, 0.97  # share of the picture; outside it the product was not found


class Product(NamedTuple):
    """Where the product is.

    Attributes:
        box: left, top, right, bottom in pixels; right and bottom exclusive.
        mask: bool (height, width) of the whole picture, true on the product.
    """

    box: tuple[int, int, int, int]
    mask: np.ndarray


def foreground(picture: np.ndarray) -> Product:
    """Takes away the background that is connected to the border and of one near-uniform colour.

    Args:
        picture: uint8 (height, width, 3).

    Returns:
        The box of what remains, with a margin; the whole picture where there is no such background.
    """
    height, width, _ = picture.shape
    frame = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]]).astype(np.int16)
    colour = np.median(frame, axis=0)
    near = np.abs(picture.astype(np.int16) - colour).max(axis=2) <= TOLERANCE
    labels, _ = ndimage.label(near)
    border = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    mask = ~np.isin(labels, border[border > 0])
    mask = ndimage.binary_opening(mask, iterations=1)  # JPEG specks are no product
    if not SMALLEST <= mask.mean() <= LARGEST:
        return whole(picture)
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    margin = round(MARGIN * max(bottom - top, right - left))
    box = (max(0, left - margin), max(0, top - margin), min(width, right + margin), min(height, bottom + margin))
    return Product(tuple(int(edge) for edge in box), mask)  # type: ignore[arg-type]


def whole(picture: np.ndarray) -> Product:
    """No localisation: the product fills the picture."""
    height, width, _ = picture.shape
    return Product((0, 0, width, height), np.ones((height, width), bool))


LOCALIZERS = {"foreground": foreground, "none": whole}
