"""Caps, seen from the left of their front."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import band, box, ellipse, join, moved, smooth
from ml.synthetic.prints import star

BASE_LINE = [(-0.66, 0.2), (-0.3, 0.33), (0.2, 0.36), (0.78, 0.24)]


def cap(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a cap.

    Args:
        cut: the choices for crown, brim, visor, panel, button, eyelets, band and emblem.
        limb: −1 … 1, how far the brim bends.
    """
    drawing = Drawing(texture="twill", standing=True)
    peak = {"low": -0.5, "high": -0.7}[cut["crown"]]
    top, base = (0.02, peak), smooth(BASE_LINE)
    back = smooth([(0.78, 0.24), (0.8, 0.0), (0.66, -0.28), (0.4, peak + 0.1), top])
    fore = smooth([top, (-0.36, peak + 0.1), (-0.58, -0.2), (-0.66, 0.2)])
    drawing.add(join(base, back, fore), patterned=True, lift=1.4, edge=0.8)
    left = smooth([top, (-0.32, peak + 0.2), (-0.44, 0.0), (-0.42, 0.28)])
    right = smooth([top, (0.16, peak + 0.26), (0.22, 0.0), (0.2, 0.36)])
    if cut["panel"] == "front":
        drawing.add(
            join(right, base[base[:, 0] < 0.2][::-1], fore[::-1]), Role.TRIM, lift=1.5, edge=0.7
        )
    elif cut["panel"] == "back":
        drawing.add(join(right, base[base[:, 0] > 0.2], back), Role.TRIM, lift=1.5, edge=0.7)
    for seam in (left, right, smooth([top, (0.42, peak + 0.24), (0.58, 0.0), (0.58, 0.3)])):
        drawing.seam(seam, 0.8, 0.016)
    if cut["band"] == "contrast":
        drawing.add(band(base - (0, 0.045), 0.085), Role.ACCENT, lift=1.6, edge=0.6)
    if cut["eyelets"] == "eyelets":
        for x, y in ((-0.22, peak + 0.24), (0.36, peak + 0.3)):
            drawing.add(ellipse(x, y, 0.03), Role.HARDWARE, lift=1.8, edge=1.0)
    if cut["button"] == "button":
        drawing.add(ellipse(0.02, peak - 0.005, 0.075, 0.036), Role.TRIM, lift=2, edge=0.9)
    _emblem(drawing, cut["emblem"], -0.12, (peak + 0.42) / 2)
    _brim(drawing, cut, limb)
    drawing.fold(
        smooth([(0.6, -0.2), (0.66, 0.0), (0.62, 0.25)]),
        smooth([(0.3, peak + 0.2), (0.4, -0.1), (0.38, 0.3)]),
    )
    drawing.fold(
        smooth([(-0.5, -0.1), (-0.36, 0.05), (-0.3, 0.25)]),
        smooth([(0.1, 0.3), (0.3, 0.16), (0.6, 0.2)]),
    )
    return drawing


def _emblem(drawing: Drawing, emblem: str, x: float, y: float) -> None:
    if emblem == "shield":
        point = smooth([(x + 0.15, y + 0.03), (x, y + 0.2), (x - 0.15, y + 0.03)], 5)
        shield = join([(x - 0.15, y - 0.17), (x + 0.15, y - 0.17)], point)
        drawing.add(shield, Role.SECOND, lift=2, edge=0.8)
        drawing.add(box(x - 0.09, y - 0.1, x + 0.09, y - 0.02), Role.ACCENT, lift=2.1)
    elif emblem == "patch":
        drawing.add(
            box(x - 0.23, y - 0.13, x + 0.23, y + 0.13, 0.04), Role.SECOND, lift=2, edge=0.8
        )
        drawing.add(box(x - 0.16, y - 0.03, x + 0.16, y + 0.03), Role.ACCENT, lift=2.1)
    elif emblem == "star":
        drawing.add(moved(star(0.21), x, y), Role.SECOND, lift=2, edge=0.8)
    elif emblem == "round":
        drawing.add(ellipse(x, y, 0.18), Role.SECOND, lift=2, edge=0.8)
        drawing.add(ellipse(x, y, 0.1), Role.ACCENT, lift=2.1)


def _brim(drawing: Drawing, cut: Mapping[str, str], limb: float) -> None:
    """Draws the brim, which points to the lower left, flat or curved down at its sides."""
    droop = (0.0 if cut["brim"] == "flat" else 0.09) + 0.015 * limb
    top = smooth([(0.22, 0.36), (-0.3, 0.31), (-0.66, 0.18)])
    far = [(-0.96, 0.3 + droop * 0.4), (-1.12, 0.46 + droop), (-0.98, 0.54 + droop * 0.6)]
    near = [(-0.5, 0.56 - droop * 0.5), (-0.1, 0.53 + droop * 0.4), (0.22, 0.36)]
    rim = smooth([(-0.66, 0.18), *far, *near])
    under = rim + np.stack([0 * rim[:, 0], 0.05 * np.clip((0.22 - rim[:, 0]) / 0.4, 0, 1)], axis=1)
    drawing.add(under, Role.INSIDE, lift=1.0, edge=0.5)
    drawing.add(
        join(top, rim), Role.TRIM if cut["visor"] == "contrast" else Role.BASE, lift=2.4, edge=1.0
    )
    for share in (0.3, 0.55, 0.8):
        tip = (-0.66 - 0.4 * share, 0.2 + (0.24 + droop) * share)
        line = smooth([tip, (-0.5 - 0.1 * share, 0.3 + 0.2 * share), (0.16, 0.37 + 0.08 * share)])
        drawing.seam(line, 0.4)
    if cut["visor"] == "edged":
        drawing.add(band(rim[6:-4], 0.045), Role.ACCENT, lift=2.6, edge=0.6)
