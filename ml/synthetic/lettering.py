"""Block letters drawn with strokes; without a font file they are the same everywhere."""

from itertools import pairwise

import numpy as np

from ml.synthetic.geometry import Points

GLYPHS = {  # strokes through points "xy" of a grid 0 … 2 across and 0 … 4 down
    "A": "04 01 10 21 24|02 22", "B": "00 10 21 12 02|12 23 14 04 00",
    "C": "20 10 01 03 14 24", "D": "00 10 21 23 14 04 00", "E": "20 00 04 24|02 12",
    "F": "20 00 04|02 12", "G": "20 10 01 03 14 24 22 12", "H": "00 04|20 24|02 22",
    "I": "10 14", "K": "00 04|20 02 24", "L": "00 04 24", "M": "04 00 12 20 24",
    "N": "04 00 24 20", "O": "10 01 03 14 23 21 10", "P": "04 00 10 21 12 02",
    "R": "04 00 10 21 12 02|12 24", "S": "20 10 01 12 23 14 04", "T": "00 20|10 14",
    "U": "00 03 14 23 20", "V": "00 14 20", "W": "00 04 12 24 20", "Y": "00 12 20|12 14",
    "1": "01 10 14", "2": "01 10 21 04 24", "4": "14 10 03 23", "5": "20 00 02 12 23 14 04",
    "7": "00 20 14", "9": "24 21 10 01 12 22", "0": "10 01 03 14 23 21 10",
}  # fmt: skip


def write(
    text: str, left: float, top: float, right: float, bottom: float, weight: float = 0.5
) -> list[Points]:
    """The strokes of a word, scaled into a rectangle.

    Args:
        text: letters and digits of `GLYPHS`.
        left, top, right, bottom: edges of the rectangle.
        weight: stroke width in grid units (a letter is 2 wide).

    Returns:
        Polygons (n, 2).
    """
    scale = np.array([(right - left) / (len(text) * 3 - 1), (bottom - top) / 4])
    strokes = []
    for place, letter in enumerate(text):
        for chain in GLYPHS[letter].split("|"):
            points = np.array(
                [(int(point[0]) + place * 3, int(point[1])) for point in chain.split()], float
            )
            strokes += [
                _bar(start, end, weight) * scale + (left, top) for start, end in pairwise(points)
            ]
    return strokes


def _bar(start: np.ndarray, end: np.ndarray, weight: float) -> Points:
    along = (end - start) / np.linalg.norm(end - start) * weight / 2
    across = np.array([-along[1], along[0]])
    return np.array(
        [start - along + across, end + along + across, end + along - across, start - along - across]
    )
