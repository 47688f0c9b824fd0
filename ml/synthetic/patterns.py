"""Woven and printed patterns, as shapes on the square −REACH … REACH around a part's origin."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from ml.synthetic.drawing import Role, Shape
from ml.synthetic.geometry import REACH, box, strip, turned
from ml.synthetic.motifs import dots, flowers, icons, zigzags
from ml.synthetic.prints import PRINTS

A, B, MIX = Role.SECOND, Role.ACCENT, Role.MIX
RHYTHMS: dict[str, list[tuple[float, float, Role]]] = {  # from, to (shares of the pitch), role
    "even": [(0, 0.5, A)],
    "thin": [(0, 0.2, A)],
    "wide": [(0, 0.76, A)],
    "double": [(0, 0.16, A), (0.3, 0.46, A)],
    "triple": [(0, 0.12, A), (0.22, 0.34, A), (0.44, 0.56, A)],
    "graded": [(0, 0.34, A), (0.46, 0.62, A), (0.74, 0.8, A)],
    "multi": [(0, 0.3, A), (0.5, 0.7, B)],
    "edged": [(0, 0.1, B), (0.1, 0.42, A), (0.42, 0.52, B)],
}
DETAILS: dict[str, tuple[str, ...]] = {
    "plain": ("plain",),
    "stripes": tuple(RHYTHMS),
    "vertical": tuple(RHYTHMS),
    "diagonal": ("even", "thin", "double", "multi"),
    "checks": ("gingham", "window", "tartan", "plaid", "grid"),
    "dots": ("polka", "grid", "rings", "mixed"),
    "floral": ("daisy", "sprig", "leaves", "bloom"),
    "motif": ("star", "heart", "diamond", "cross", "triangle"),
    "zigzag": ("chevron", "wave", "argyle", "herringbone"),
    "blocks": ("half", "yoke", "band", "bands", "diagonal", "sides", "middle", "quarters"),
    "print": tuple(PRINTS),
}
PITCHES: dict[str, tuple[float, ...]] = {
    "plain": (0.0,),
    "stripes": (0.09, 0.14, 0.21, 0.32),
    "vertical": (0.08, 0.13, 0.2, 0.3),
    "diagonal": (0.12, 0.2, 0.32),
    "checks": (0.1, 0.16, 0.26, 0.4),
    "dots": (0.12, 0.18, 0.28),
    "floral": (0.17, 0.26, 0.38),
    "motif": (0.16, 0.26, 0.38),
    "zigzag": (0.16, 0.26, 0.4),
    "blocks": (0.0, 0.15),
    "print": (0.11, 0.2, 0.3),
}


class Pattern(NamedTuple):
    """The pattern of a cloth.

    Attributes:
        kind: a key of `DETAILS`.
        detail: one of `DETAILS[kind]`.
        pitch: the distance between repeats in garment units; half the size of a print.
    """

    kind: str = "plain"
    detail: str = "plain"
    pitch: float = 0.0

    @property
    def repeats(self) -> bool:
        """Whether the pattern repeats.

        Such a cloth may be cut anywhere, so the pattern is shifted on each piece sold.
        """
        return self.kind not in ("plain", "blocks", "print")


@lru_cache(maxsize=64)
def shapes(pattern: Pattern) -> list[Shape]:
    """All shapes of a pattern in the order of painting on the ground colour."""
    kind, detail, pitch = pattern
    if kind == "stripes":
        return _stripes(detail, pitch, 0)
    if kind == "vertical":
        return _stripes(detail, pitch, 90)
    if kind == "diagonal":
        return _stripes(detail, pitch, 40)
    if kind == "blocks":
        return _blocks(detail, pitch)
    if kind == "print":
        centre = (0.2, -0.42) if pitch < 0.15 else (0.0, -0.2)  # a small logo sits over the heart
        return [Shape(shape.points * pitch + centre, shape.role) for shape in PRINTS[detail]()]
    drawers = {
        "checks": _checks,
        "dots": dots,
        "floral": flowers,
        "motif": icons,
        "zigzag": zigzags,
    }
    return drawers[kind](detail, pitch) if kind in drawers else []


def _stripes(rhythm: str, pitch: float, degrees: float) -> list[Shape]:
    steps = np.arange(-REACH, REACH, pitch)
    return [
        Shape(turned(strip(y + low * pitch, y + high * pitch), degrees), role)
        for y in steps
        for low, high, role in RHYTHMS[rhythm]
    ]


def _crossed(
    bands: list[tuple[float, float, Role]], pitch: float, crossing: Role | None
) -> list[Shape]:
    """Stripes both ways; where two of them cross, the role is `crossing`, if there is one."""
    steps = np.arange(-REACH, REACH, pitch)
    lines = [
        Shape(turned(strip(y + low * pitch, y + high * pitch), turn), role)
        for turn in (0, 90)
        for y in steps
        for low, high, role in bands
    ]
    if crossing is None:
        return lines
    low, high = bands[0][0] * pitch, bands[0][1] * pitch
    return lines + [
        Shape(box(-x - high, y + low, -x - low, y + high), crossing) for x in steps for y in steps
    ]


def _checks(detail: str, pitch: float) -> list[Shape]:
    if detail == "gingham":
        return _crossed([(0, 0.5, MIX)], pitch, A)
    if detail == "window":
        return _crossed([(0, 0.12, A)], pitch, None)
    if detail == "grid":
        return _crossed([(0, 0.1, A), (0.24, 0.34, A)], pitch, None)
    if detail == "tartan":
        return _crossed([(0, 0.55, MIX), (0.72, 0.8, B)], pitch, A)
    return _crossed([(0, 0.36, MIX), (0.5, 0.58, A)], pitch, A)  # plaid


def _blocks(detail: str, shift: float) -> list[Shape]:
    left, right, y = -REACH, REACH, shift
    pieces = {
        "half": [(box(left, y - 0.05, right, REACH), A)],
        "yoke": [(box(left, -REACH, right, -0.5 + y), A)],
        "band": [(box(left, -0.35 + y, right, -0.02 + y), A)],
        "bands": [
            (box(left, -0.38 + y, right, -0.2 + y), A),
            (box(left, -0.2 + y, right, -0.02 + y), B),
        ],
        "diagonal": [
            (np.array([(left, -0.6 + y), (right, 0.9 + y), (right, REACH), (left, REACH)]), A)
        ],
        "sides": [
            (box(left, left, -0.3 - y / 2, right), A),
            (box(0.3 + y / 2, left, right, right), A),
        ],
        "middle": [(box(-0.12 - y, left, 0.12 + y, right), A)],
        "quarters": [(box(left, left, 0, y), A), (box(0, y, right, right), B)],
    }
    return [Shape(outline, role) for outline, role in pieces[detail]]
