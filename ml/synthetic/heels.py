"""Heeled shoes, seen from the side, toe to the left."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import Points, band, box, ellipse, join, moved, smooth

HEIGHTS = {"low": 0.28, "mid": 0.5, "high": 0.72}


def pump(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a heeled shoe.

    Args:
        cut: the choices for heel, height, toe, strap, trim, platform and heel_colour.
        limb: −1 … 1, how far the strap tilts.
    """
    drawing = Drawing(texture="leather", standing=True)
    rise, pointed = HEIGHTS[cut["height"]], cut["toe"] == "pointed"
    x = np.array([-0.98, -0.72, -0.45, -0.12, 0.22, 0.54, 0.9])
    floor = -rise * np.array([0.0, 0.0, 0.03, 0.27, 0.66, 0.93, 1.0])
    thick = np.array([0.05, 0.17 if pointed else 0.21, 0.29, 0.21, 0.17, 0.21, 0.37])
    top = np.stack([x, floor - thick], axis=1)
    under = np.stack([x - np.where(x < -0.9, 0.12 * pointed, 0), floor], axis=1)
    _heel(drawing, cut, rise)
    _ankle(drawing, cut["strap"], top, limb)
    far = top[2:] - np.array([(0, 0), (-0.04, 0.12), (-0.02, 0.12), (0, 0.09), (0, 0)])
    drawing.add(
        join(smooth(far), moved(smooth(top[2:])[::-1], 0, 0.05)), Role.INSIDE, lift=0.4, edge=0.6
    )
    upper, sole = smooth(top), smooth(under)
    back = smooth([top[-1], top[-1] + (0.035, 0.16), under[-1]])
    drawing.add(join(upper, back, sole[::-1]), patterned=True, lift=1.6, edge=0.9)
    if cut["toe"] == "peep":
        hole = [(-0.985, -0.015), (-0.93, -0.12), (-0.82, -0.11), (-0.84, -0.02)]
        drawing.add(smooth(hole), Role.INSIDE, lift=1.2, edge=0.8)
    elif cut["toe"] == "capped":
        seam = smooth([(-0.68, -0.2), (-0.63, -0.1), (-0.66, 0.0)], 4)
        cap = join(upper[upper[:, 0] < -0.7], seam, sole[sole[:, 0] < -0.68][::-1])
        drawing.add(cap, Role.TRIM, lift=1.9, edge=0.8)
    deep = np.linspace(0.17 if cut["platform"] == "platform" else 0.045, 0.045, len(sole))
    drawing.add(
        join(sole, (sole + np.stack([0 * deep, deep], axis=1))[::-1]), Role.SOLE, lift=2, edge=0.9
    )
    _ornament(drawing, cut["trim"], upper, top[2] + (-0.03, 0.03))
    _strap(drawing, cut["strap"], top)
    drawing.fold(smooth([(-0.6, -0.2), (-0.45, -0.12), (-0.5, -0.03)]))
    drawing.fold(smooth([(0.8, top[-1, 1] + 0.1), (0.7, -rise - 0.05)]))
    return drawing


def _heel(drawing: Drawing, cut: Mapping[str, str], rise: float) -> None:
    kind, high, ground = cut["heel"], -rise, 0.17 if cut["platform"] == "platform" else 0.05
    if kind == "stiletto":
        front = smooth([(0.5, high + 0.03), (0.7, high + 0.16), (0.79, ground)])
        outline = join(front, smooth([(0.85, ground), (0.89, high + 0.2), (0.93, high - 0.05)]))
    elif kind == "block":
        outline = join(
            [(0.48, high + 0.03), (0.54, ground)], smooth([(0.92, ground), (0.94, high - 0.05)], 4)
        )
    elif kind == "kitten":
        front = smooth([(0.48, high + 0.03), (0.62, high + 0.2), (0.6, ground)])
        outline = join(front, smooth([(0.72, ground), (0.82, high + 0.2), (0.94, high - 0.05)]))
    else:  # wedge
        front = smooth(
            [(-0.5, 0.0), (-0.12, -rise * 0.25), (0.22, -rise * 0.62), (0.6, high + 0.02)], 5
        )
        back = smooth([(0.93, high - 0.02), (0.9, (high + ground) / 2), (0.92, ground)], 4)
        outline = join(front, back, [(-0.5, ground)])
    drawing.add(
        outline, Role.SOLE if cut["heel_colour"] == "wood" else Role.BASE, lift=1.2, edge=0.9
    )


def _ankle(drawing: Drawing, strap: str, top: Points, limb: float) -> None:
    """Draws the part of a strap that goes round the ankle, behind the shoe."""
    if strap not in ("ankle", "t"):
        return
    back, high = top[-1, 1], top[-1, 1] - 0.2
    front = [(0.5, high - 0.03 + 0.02 * limb), (0.32, high + 0.04), (0.36, high + 0.12)]
    loop = [(0.86, back + 0.1), (0.87, high), *front, (0.62, high + 0.09), (0.86, high + 0.06)]
    drawing.add(band(smooth(loop), 0.05), Role.TRIM, lift=1.0, edge=0.9)
    drawing.add(ellipse(0.5, high + 0.11, 0.026), Role.HARDWARE, lift=1.6)


def _strap(drawing: Drawing, strap: str, top: Points) -> None:
    """Draws the part of a strap that lies on the foot."""
    if strap == "mary":
        across = smooth([top[3] + (0.06, 0.1), top[3] + (0.0, -0.06), top[3] + (0.1, -0.16)])
        drawing.add(band(across, 0.07), Role.TRIM, lift=2, edge=0.9)
    elif strap == "t":
        along = smooth([top[2], top[3] + (0.06, -0.2), (0.38, top[-1, 1] - 0.13)])
        drawing.add(band(along, 0.05), Role.TRIM, lift=1.2, edge=0.9)


def _ornament(drawing: Drawing, trim: str, upper: Points, place: Points) -> None:
    x, y = place
    if trim == "bow":
        for side in (1, -1):
            loop = smooth(
                [(x, y), (x + 0.16 * side, y - 0.1), (x + 0.17 * side, y + 0.08), (x, y + 0.02)]
            )
            drawing.add(loop, Role.ACCENT, lift=2.4, edge=0.9)
        drawing.add(ellipse(x, y + 0.01, 0.035), Role.ACCENT, lift=2.6, edge=0.9)
    elif trim == "buckle":
        drawing.add(
            box(x - 0.11, y - 0.02, x + 0.11, y + 0.12, 0.02), Role.HARDWARE, lift=2.4, edge=0.9
        )
        drawing.add(box(x - 0.06, y + 0.02, x + 0.06, y + 0.08), Role.BASE, lift=2.2, edge=0.6)
    elif trim == "piping":
        drawing.add(
            band(upper[upper[:, 0] > -0.5] + (0, 0.02), 0.045), Role.ACCENT, lift=2, edge=0.6
        )
    elif trim == "flower":
        for angle in np.arange(5) * 2 * np.pi / 5:
            petal = ellipse(
                x + 0.08 * np.cos(angle), y + 0.02 + 0.08 * np.sin(angle), 0.06, steps=10
            )
            drawing.add(petal, Role.ACCENT, lift=2.4, edge=0.8)
        drawing.add(ellipse(x, y + 0.02, 0.035, steps=10), Role.HARDWARE, lift=2.6)
