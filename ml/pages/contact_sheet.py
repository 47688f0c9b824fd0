"""Draws contact sheets: lines of product pictures in a PNG file."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from ml.core.files import replacing

THUMBNAIL, GAP = 112, 8  # pixels
LINES, COLUMNS = 12, 10  # of pictures on a sheet, at most


def draw_sheet(path: Path, bundles: Iterable[list[int]], pictures: np.ndarray) -> None:
    """Draws bundles of products (a group, a pair) side by side, with a gap between bundles.

    Args:
        bundles: indices into `pictures`, in the order of drawing; a bundle longer than a line is
            cut.
        pictures: uint8 (products, height, width, 3).
    """
    lines: list[list[list[int]]] = [[]]
    for bundle in bundles:
        if sum(map(len, lines[-1])) + min(len(bundle), COLUMNS) > COLUMNS:
            if len(lines) == LINES:
                break
            lines.append([])
        lines[-1].append(bundle[:COLUMNS])
    width = COLUMNS * THUMBNAIL + (COLUMNS + 1) * 2 * GAP
    sheet = Image.new("RGB", (width, len(lines) * (THUMBNAIL + GAP) + GAP), "white")
    for line, bundles_of_line in enumerate(lines):
        left = GAP
        for bundle in bundles_of_line:
            for index in bundle:
                picture = Image.fromarray(pictures[index]).resize(
                    (THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC
                )
                sheet.paste(picture, (left, GAP + line * (THUMBNAIL + GAP)))
                left += THUMBNAIL + 2
            left += 2 * GAP - 2
    with replacing(path) as beside:
        sheet.save(beside, "PNG")
