"""Sneakers, seen from the side, toe to the left."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import Points, band, box, ellipse, join, moved, smooth, straight

COLLARS = {"low": -0.36, "mid": -0.56, "high": -0.82}
STRIPES = {"two": 2, "three": 3, "four": 4}
NOSE = [(-1.0, 0.24), (-0.98, 0.07), (-0.84, -0.04)]  # front of the outline, upwards from the sole


def sneaker(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a sneaker.

    Args:
        cut: the choices for top, sole, toe, side, laces, heel and foxing.
        limb: −1 … 1, how high the tongue stands.
    """
    drawing = Drawing(texture="canvas", standing=True)
    collar = COLLARS[cut["top"]]
    tip = collar - (0.02 if cut["laces"] == "slip" else 0.11 + 0.03 * limb)
    tongue = [
        (-0.02, -0.28),
        (0.1, tip + 0.05),
        (0.22, tip),
        (0.33, tip + 0.05),
        (0.38, collar + 0.1),
        (0.3, -0.1),
    ]
    drawing.add(smooth(tongue), Role.TRIM, lift=0.6, edge=0.8)
    lining = [
        (0.2, collar + 0.02),
        (0.5, collar - 0.05),
        (0.86, collar - 0.03),
        (0.84, -0.1),
        (0.3, -0.1),
    ]
    drawing.add(smooth(lining), Role.INSIDE, lift=0.4)
    vamp = smooth(
        [
            (-1.0, 0.24),
            (-0.98, 0.08),
            (-0.8, -0.06),
            (-0.45, -0.14),
            (-0.12, -0.26),
            (0.2, collar + 0.04),
        ]
    )
    opening = smooth([(0.22, collar + 0.03), (0.5, collar + 0.14), (0.8, collar - 0.01)])
    back = smooth([(0.84, collar - 0.02), (0.88, -0.1), (0.92, 0.24)])
    drawing.add(join(vamp, opening, back, [(0.0, 0.26)]), patterned=True, lift=1.5, edge=0.9)
    _toe(drawing, cut["toe"])
    _side(drawing, cut["side"], collar)
    if cut["heel"] == "tab":
        tab = [
            (0.72, collar + 0.02),
            (0.84, collar - 0.03),
            (0.9, 0.24),
            (0.78, 0.24),
            (0.72, collar + 0.02),
        ]
        drawing.add(smooth(tab), Role.TRIM, lift=2, edge=0.8)
    elif cut["heel"] == "counter":
        counter = join(smooth([(0.9, -0.14), (0.7, -0.1), (0.52, 0.24)]), [(0.92, 0.24)])
        drawing.add(counter, Role.TRIM, lift=2, edge=0.8)
    _closing(drawing, cut["laces"], collar)
    _sole(drawing, cut["sole"], cut["foxing"])
    drawing.fold(
        smooth([(-0.5, -0.1), (-0.42, 0.05), (-0.46, 0.2)]),
        smooth([(-0.35, -0.14), (-0.3, 0), (-0.36, 0.15)]),
    )
    drawing.fold(
        smooth([(0.6, -0.2), (0.55, 0.0), (0.62, 0.2)]),
        smooth([(0.2, -0.1), (0.3, 0.05), (0.2, 0.2)]),
    )
    return drawing


def _toe(drawing: Drawing, toe: str) -> None:
    if toe == "cap":
        cap = join(smooth([*NOSE, (-0.68, -0.08)]), smooth([(-0.62, 0.05), (-0.66, 0.24)]))
        drawing.add(cap, Role.SOLE, lift=1.9, edge=0.8)
    elif toe == "wing":
        wing = join(
            smooth([*NOSE, (-0.74, -0.07)]), smooth([(-0.6, 0.05), (-0.4, 0.12), (-0.15, 0.24)])
        )
        drawing.add(wing, Role.TRIM, lift=1.9, edge=0.8)
    elif toe == "stitched":
        drawing.seam(smooth([(-0.66, -0.08), (-0.6, 0.06), (-0.64, 0.22)]), 1.0, 0.02)
    elif toe == "vents":
        for x in np.linspace(-0.78, -0.52, 4):
            for y in (0.02, 0.09):
                drawing.add(ellipse(x, y - (x + 0.8) * 0.15, 0.016, steps=8), Role.INSIDE, lift=1.3)


def _side(drawing: Drawing, side: str, collar: float) -> None:
    if side in STRIPES:
        for index in range(STRIPES[side]):
            x = -0.12 + index * 0.15
            stripe = straight((x, -0.2 + 0.02 * index), (x - 0.16, 0.24))
            drawing.add(band(stripe, 0.075), Role.SECOND, lift=1.7, edge=0.6)
    elif side == "disc":
        drawing.add(ellipse(0.52, -0.06, 0.13), Role.SECOND, lift=1.8, edge=0.8)
        drawing.add(ellipse(0.52, -0.06, 0.08), Role.BASE, lift=1.8, edge=0.4)
    elif side != "none":
        drawing.add(_emblem(side, collar), Role.SECOND, lift=1.7, edge=0.6)


def _emblem(side: str, collar: float) -> Points:
    if side == "wave":
        upper = smooth([(-0.45, 0.06), (-0.2, 0.16), (0.2, 0.06), (0.78, -0.2)])
        return join(upper, smooth([(0.3, 0.12), (-0.15, 0.23), (-0.38, 0.2), (-0.45, 0.06)]))
    if side == "zigzag":
        corners = [
            (-0.2, 0.2),
            (-0.05, -0.08),
            (0.1, 0.2),
            (0.25, -0.1),
            (0.4, 0.2),
            (0.55, -0.12),
            (0.68, 0.18),
        ]
        return band(corners, 0.06)
    if side == "panel":
        front = smooth([(0.0, -0.22), (0.05, 0.0), (-0.08, 0.24)])
        return join(front, [(0.5, 0.24)], smooth([(0.52, 0.0), (0.46, collar + 0.16)], 3))
    return band(smooth([(-0.5, 0.15), (0.1, 0.12), (0.88, 0.1)]), 0.09)  # a bar


def _closing(drawing: Drawing, laces: str, collar: float) -> None:
    if laces == "slip":
        gore = np.array([(0.26, collar + 0.06), (0.4, collar + 0.11), (0.34, -0.04), (0.22, 0.0)])
        drawing.add(gore, Role.TRIM, lift=1.6, edge=0.7)
        for x in np.linspace(0.25, 0.37, 5):
            drawing.seam([(x + 0.02, collar + 0.1), (x - 0.02, -0.02)], 0.5)
        return
    rail = np.linspace((-0.14, -0.22), (0.2, collar + 0.08), 3 if laces == "strap" else 5)
    if laces == "strap":
        for x, y in rail:
            drawing.add(
                band([(x - 0.04, y - 0.03), (x + 0.2, y + 0.14)], 0.1),
                Role.TRIM,
                lift=2.2,
                edge=0.9,
            )
        return
    drawing.add(band(moved(rail, 0.08, 0.08), 0.12), lift=1.8, edge=0.7)
    role = Role.HARDWARE if laces == "bright" else Role.TRIM
    for x, y in rail:
        drawing.add(
            band([(x - 0.03, y - 0.03), (x + 0.1, y + 0.09)], 0.035), role, lift=2.2, edge=0.8
        )
        drawing.add(ellipse(x + 0.1, y + 0.09, 0.018, steps=8), Role.INSIDE, lift=1.8)


def _sole(drawing: Drawing, sole: str, foxing: str) -> None:
    top, low = {
        "flat": ([(-1.02, 0.2), (-0.5, 0.22), (0.3, 0.22), (0.94, 0.2)], 0.42),
        "wedge": ([(-1.02, 0.24), (-0.5, 0.25), (0.3, 0.18), (0.94, 0.08)], 0.43),
        "chunky": ([(-1.03, 0.14), (-0.6, 0.2), (0.3, 0.19), (0.96, 0.14)], 0.5),
    }[sole]
    right, left = top[-1][0], top[0][0]
    heel = smooth([top[-1], (right + 0.03, low - 0.08), (right - 0.03, low)], 4)
    toe = smooth([(left + 0.12, low), (left, low - 0.07), top[0]], 4)
    drawing.add(join(smooth(top), heel, toe), Role.SOLE, lift=2.3, edge=0.9)
    if foxing == "line":
        drawing.add(
            band(smooth([(-1.0, 0.3), (-0.4, 0.315), (0.95, 0.28)]), 0.035),
            Role.ACCENT,
            lift=2.3,
            edge=0.4,
        )
    elif foxing == "dark":
        drawing.add(box(-0.9, low - 0.07, 0.92, low, 0.03), Role.INSIDE, lift=2.2, edge=0.6)
    elif foxing == "teeth":
        for x in np.arange(-0.88, 0.88, 0.1):
            drawing.add(box(x, low - 0.08, x + 0.05, low), Role.INSIDE, lift=2.1, edge=0.4)
    drawing.seam(smooth([(-1.0, 0.27), (-0.4, 0.28), (0.94, 0.24)]), 0.5)
