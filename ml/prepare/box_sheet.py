"""Draws a contact sheet of the shop's own pictures with the box of each product."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw, ImageOps

from ml.data.images import decode
from ml.pages.contact_sheet import THUMBNAIL, draw_sheet

PRODUCTS = 60  # on the sheet, at most
COLOUR, LINE = (214, 40, 57), 2  # of the box; pixels of the thumbnail


def draw_boxes(path: Path, products: pd.DataFrame, images: Path) -> None:
    """Draws as many products of each article type as fit, in the order of article types.

    Args:
        products: sha256, article_type, and box_left, box_top, box_right, box_bottom in pixels of
            the picture.
        images: the folder of pictures, named by sha256.
    """
    chosen = pick(products)
    tiles = np.zeros((len(chosen), THUMBNAIL, THUMBNAIL, 3), np.uint8)
    edges = chosen[["box_left", "box_top", "box_right", "box_bottom"]].to_numpy()
    for index, (name, box) in enumerate(zip(chosen["sha256"], edges, strict=True)):
        tiles[index] = tile(decode((images / name).read_bytes()), box)
    draw_sheet(path, [[index] for index in range(len(tiles))], tiles)


def pick(products: pd.DataFrame) -> pd.DataFrame:
    """Picks the first product of each article type, then the second, until the sheet is full.

    The result is sorted by article type.
    """
    turn = products.groupby("article_type").cumcount()
    order = products.assign(turn=turn).sort_values(["turn", "article_type"], kind="stable").index
    return products.loc[order[:PRODUCTS]].sort_values("article_type", kind="stable")


def tile(picture: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Draws a picture and its box on a square, in the proportions of the picture.

    Args:
        picture: uint8 (height, width, 3).
        box: left, top, right, bottom in pixels of the picture.

    Returns:
        uint8 (THUMBNAIL, THUMBNAIL, 3).
    """
    height, width, _ = picture.shape
    scale = THUMBNAIL / max(height, width)
    small = Image.fromarray(picture).resize(
        (max(1, round(width * scale)), max(1, round(height * scale)))
    )
    left, top, right, bottom = (round(float(edge) * scale) for edge in box)
    frame = (left, top, max(left, right - 1), max(top, bottom - 1))
    ImageDraw.Draw(small).rectangle(frame, outline=COLOUR, width=LINE)
    return np.asarray(ImageOps.pad(small, (THUMBNAIL, THUMBNAIL), color="white"))
