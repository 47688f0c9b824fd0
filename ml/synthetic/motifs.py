"""Patterns of small repeated shapes: dots, flowers, icons, zigzags.

In all functions, `pitch` is the distance between two repeats in garment units.
"""

import numpy as np

from ml.synthetic.drawing import Role, Shape
from ml.synthetic.geometry import REACH, Points, band, ellipse, join, moved, strip, turned
from ml.synthetic.prints import heart, leaf, star

A, B = Role.SECOND, Role.ACCENT
QUARTER = [(0.25, -0.9), (0.25, -0.25), (0.9, -0.25)]  # of a cross
ICONS = {
    "star": star(),
    "heart": heart()[::2],
    "diamond": np.array([(0, -1), (0.6, 0), (0, 1), (-0.6, 0)]),
    "cross": join(*(turned(np.array(QUARTER), 90 * quarter) for quarter in range(4))),
    "triangle": np.array([(0, -0.9), (0.9, 0.7), (-0.9, 0.7)]),
}


def dots(detail: str, pitch: float) -> list[Shape]:
    """Dots; `detail` is polka, grid, rings or mixed."""
    found = []
    for x, y, number in _places(pitch, detail != "grid"):
        size = pitch * (0.27 if detail != "mixed" else (0.34, 0.18)[number % 2])
        found.append(Shape(ellipse(x, y, size, steps=12), A))
        if detail == "rings":
            found.append(Shape(ellipse(x, y, size * 0.5, steps=12), Role.BASE))
    return found


def icons(detail: str, pitch: float) -> list[Shape]:
    """One of `ICONS`, which `detail` names, in staggered rows."""
    return [Shape(ICONS[detail] * pitch * 0.32 + (x, y), A) for x, y, _ in _places(pitch)]


def flowers(detail: str, pitch: float) -> list[Shape]:
    """Scattered flowers; `detail` is daisy, bloom, leaves or sprig."""
    found = []
    for x, y, number in _places(pitch):
        place = np.array(
            [x + 0.12 * pitch * np.sin(number * 5.1), y + 0.12 * pitch * np.cos(number * 3.7)]
        )
        for points, role in _flower(detail, number):
            found.append(Shape(turned(points, number * 67.0) * pitch * 0.36 + place, role))
    return found


def _flower(detail: str, number: int) -> list[tuple[Points, Role]]:
    """One upright flower at the origin; its running number may vary its colours."""
    if detail == "leaves":
        blade = leaf()[::3] * 0.55 - (0, 0.55)
        return [(turned(blade, 120.0 * third), A) for third in range(3)]
    if detail == "sprig":
        buds = [
            ellipse(0.34 * side, y, 0.27, 0.17, steps=8)
            for side, y in ((-1, -0.28), (1, -0.28), (-1, 0.14), (1, 0.56))
        ]
        return [
            (band([(0, -1), (0, 1)], 0.14), A),
            *((bud, A) for bud in buds),
            (ellipse(0, -1, 0.3, steps=8), B),
        ]
    count, fat = (6, 0.36) if detail == "daisy" else (5, 0.5)
    role, heart_role = (B, A) if detail == "bloom" and number % 3 == 0 else (A, B)
    around = np.arange(count) * 2 * np.pi / count
    petals = [ellipse(0.55 * np.cos(angle), 0.55 * np.sin(angle), fat, steps=9) for angle in around]
    return [*((petal, role) for petal in petals), (ellipse(0, 0, 0.3, steps=9), heart_role)]


def zigzags(detail: str, pitch: float) -> list[Shape]:
    """Zigzags; `detail` is chevron, wave, argyle or herringbone."""
    steps = np.arange(-REACH, REACH, pitch)
    if detail == "argyle":
        diamond = ICONS["diamond"] * pitch * 0.86
        tiles = [Shape(moved(diamond, x, y), A) for x, y, _ in _places(pitch * 1.16)]
        return tiles + [
            Shape(turned(strip(y, y + pitch * 0.07), turn), B) for turn in (58, -58) for y in steps
        ]
    if detail == "herringbone":
        half, thick = pitch / 2, pitch * 0.2
        found = []
        for column, x in enumerate(np.arange(-REACH, REACH, half)):
            rise = half if column % 2 else -half
            slat = np.array([(x, 0), (x + half, rise), (x + half, rise + thick), (x, thick)])
            found += [Shape(moved(slat, 0, y), A) for y in np.arange(-REACH, REACH, 2 * thick)]
        return found
    x = np.arange(-REACH, REACH, pitch / (2 if detail == "chevron" else 8))
    swing = (
        np.where(np.arange(len(x)) % 2, 1, -1)
        if detail == "chevron"
        else np.sin(x / pitch * 2 * np.pi)
    )
    line = np.stack([x, swing * pitch * 0.25], axis=1)
    return [Shape(moved(join(line, moved(line[::-1], 0, pitch * 0.42)), 0, y), A) for y in steps]


def _places(pitch: float, staggered: bool = True) -> list[tuple[float, float, int]]:
    """The centres x, y of the repeats, each with a running number.

    Odd rows are moved by half a pitch where `staggered` is true.
    """
    rows = np.arange(-REACH, REACH, pitch * (0.87 if staggered else 1))
    return [
        (x + (pitch / 2 if staggered and row % 2 else 0), y, row + column)
        for row, y in enumerate(rows)
        for column, x in enumerate(np.arange(-REACH, REACH, pitch))
    ]
