"""Which parts of two pictures make a model find them alike: parts are blurred, one after another.

This is the occlusion of Zeiler and Fergus (2014, arXiv 1311.2901, section 4.2), with a blur instead
of a gray square (Fong and Vedaldi 2017, arXiv 1704.03296): a blurred part keeps its colour and its
place in the outline, so that the crop of the product hardly moves. It needs nothing of a model but
its embeddings, so it explains every registered model, and the very similarity that grouped.
"""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

GRID = 6  # cells a side of the product's box
BLUR = 1.0  # radius, as a share of a cell's side
COVERED = 0.25  # of a cell: with less of the product in it, it is background
SOFT = 0.15  # of a cell's side: how far its edge fades, so that no edge is drawn

Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels; right and bottom exclusive
Embed = Callable[[bytes], np.ndarray]


class Parts(NamedTuple):
    """The parts of one picture against another one.

    Attributes:
        boxes: of the cells, row by row.
        drop: float (cells,), by how much the similarity drops without a cell's detail: positive
            where the pictures match, negative where they differ; NaN: hardly anything of the
            product is in the cell.
    """

    boxes: list[Box]
    drop: np.ndarray


def cells(box: Box) -> list[Box]:
    """Divides a box into `GRID` × `GRID` cells, row by row."""
    left, top, right, bottom = box
    across = np.linspace(left, right, GRID + 1).round().astype(int).tolist()
    down = np.linspace(top, bottom, GRID + 1).round().astype(int).tolist()
    return [
        (across[column], down[row], across[column + 1], down[row + 1])
        for row in range(GRID)
        for column in range(GRID)
    ]


def blurred(picture: np.ndarray, boxes: list[Box]) -> np.ndarray:
    """Returns a picture, uint8 (height, width, 3), whose cells are blurred."""
    side = max(max(box[2] - box[0], box[3] - box[1]) for box in boxes)
    image = Image.fromarray(picture)
    mask = Image.new("L", image.size, 0)
    for box in boxes:
        mask.paste(255, box)
    mask = mask.filter(ImageFilter.GaussianBlur(SOFT * side))
    soft = image.filter(ImageFilter.GaussianBlur(BLUR * side))
    return np.asarray(Image.composite(soft, image, mask))


def parts(
    picture: np.ndarray, box: Box, mask: np.ndarray, embed: Embed, other: np.ndarray
) -> Parts:
    """Measures how much each cell of a product matters for its similarity to another one.

    Args:
        picture: uint8 (height, width, 3).
        box: of the product in it.
        mask: bool (height, width), true on the product.
        embed: from a picture's file to its embedding, float (size,), of length 1, relative to the
            block.
        other: the embedding of the other picture.
    """
    boxes = cells(box)
    whole = float(embed(encoded(picture)) @ other)
    drop = np.full(len(boxes), np.nan)
    for place, (left, top, right, bottom) in enumerate(boxes):
        covered = mask[top:bottom, left:right]
        if covered.size and covered.mean() >= COVERED:
            changed = encoded(blurred(picture, [boxes[place]]))
            drop[place] = whole - float(embed(changed) @ other)
    return Parts(boxes, drop)


def encoded(picture: np.ndarray) -> bytes:
    """Returns a picture's file without loss."""
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG", compress_level=1)
    return content.getvalue()
