"""Skirts."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import (
    Points,
    band,
    box,
    ellipse,
    flip,
    join,
    mirrored,
    moved,
    smooth,
    straight,
)

SHAPES = {  # half widths at hip and hem
    "pencil": (0.42, 0.36),
    "a-line": (0.5, 0.62),
    "flared": (0.54, 0.86),
    "straight": (0.44, 0.45),
}
LENGTHS = {"mini": 0.05, "knee": 0.35, "midi": 0.72}
TOP = -0.78


def skirt(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a skirt.

    Args:
        cut: the choices for shape, length, front, waist and hem.
        limb: −1 … 1, how far the hem swings.
    """
    drawing = Drawing(texture="poplin")
    (hip, bottom), end, swing = SHAPES[cut["shape"]], LENGTHS[cut["length"]], 0.03 * limb
    back = smooth([(0, -0.83), (0.2, -0.82), (0.31, TOP), (0.2, -0.7), (0, -0.68)], 3)
    drawing.add(mirrored(back), Role.INSIDE, lift=0.2)
    middle = (hip + (bottom - hip) * 0.45, (end - 0.5) / 2)
    side = smooth([(0.3, TOP), (hip * 0.9, -0.5), middle, (bottom, end - 0.02)])
    curve = smooth([(bottom, end), (bottom * 0.5, end + 0.05), (0, end + 0.065)])
    if cut["hem"] == "scallop":
        across = np.linspace(bottom, 0, 40)
        curve = np.stack(
            [across, end + 0.02 + 0.04 * np.abs(np.sin(across * np.pi / 0.14))], axis=1
        )
    outline = mirrored(join([(0, -0.76)], side, curve))
    outline[:, 0] += swing * np.clip((outline[:, 1] - TOP) / (end - TOP), 0, 1) ** 2
    drawing.add(outline, patterned=True)
    _hem(drawing, cut["hem"], moved(join(curve, flip(curve)), swing, 0))
    _front(drawing, cut["front"], bottom, end, swing)
    _waist(drawing, cut["waist"])
    for x in (-0.8, -0.5, -0.25, 0.0, 0.25, 0.5, 0.8):
        drawing.fold(
            smooth([(x * 0.3, -0.6), (x * 0.6, (end - 0.5) / 2), (x * bottom + swing, end)])
        )
        drawing.fold(smooth([(x * 0.5, end - 0.5), (x * bottom * 0.95, end)]))
    return drawing


def _hem(drawing: Drawing, kind: str, edge: Points) -> None:
    if kind == "contrast":
        drawing.add(join(edge, (edge * (0.97, 1) - (0, 0.1))[::-1]), Role.TRIM, lift=1.3, edge=0.7)
    elif kind == "ruffle":
        frill = join(edge * (1.04, 1) + (0, 0.05), (edge * (0.96, 1) - (0, 0.16))[::-1])
        drawing.add(frill, patterned=True, lift=1.7, edge=0.9)
    elif kind == "plain":
        drawing.seam(edge - (0, 0.04), 0.4)


def _front(drawing: Drawing, kind: str, bottom: float, end: float, swing: float) -> None:
    if kind == "pleats":
        for x in np.linspace(-0.9, 0.9, 9):
            middle = (x * (0.3 + bottom) * 0.51, (end - 0.7) / 2)
            line = smooth([(x * 0.3, -0.72), middle, (x * bottom + swing, end + 0.05)])
            drawing.seam(line, 1.0, 0.02)
            drawing.seam(moved(line, 0.02, 0), -0.6, 0.02)
    elif kind == "buttons":
        drawing.add(box(-0.05, -0.72, 0.05, end + 0.05), patterned=True, lift=1.4, edge=0.9)
        for y in np.arange(-0.6, end - 0.02, 0.15):
            drawing.add(ellipse(0, y, 0.026), Role.HARDWARE, lift=1.8, edge=0.9)
    elif kind == "tiers":
        for share in (0.36, 0.68):
            y, wide = -0.75 + share * (end + 0.75), 0.99 * (0.36 + share * (bottom - 0.36))
            line = smooth([(-wide, y), (0, y + 0.05), (wide, y)])
            drawing.seam(line, 1.0, 0.026)
            drawing.seam(moved(line, 0, 0.025), -0.8, 0.02)
    elif kind == "pockets":
        for x in (0.25, -0.25):
            drawing.add(
                box(x - 0.11, -0.45, x + 0.11, -0.2, 0.03), patterned=True, lift=1.6, edge=1.0
            )
            drawing.seam([(x - 0.11, -0.4), (x + 0.11, -0.4)], 0.6)
    elif kind == "wrap":
        line = smooth([(-0.24, -0.7), (0.0, -0.2), (0.1, end + 0.06)])
        drawing.seam(line, 1.0, 0.024)
        drawing.seam(moved(line, 0.02, 0), -0.6, 0.02)
    elif kind == "zip":
        drawing.add(box(-0.02, -0.7, 0.02, end + 0.05), Role.HARDWARE, lift=1.4, edge=1.0)
        drawing.seam(straight((0, -0.7), (0, end)), 0.7)


def _waist(drawing: Drawing, kind: str) -> None:
    line = smooth([(-0.31, -0.77), (0, -0.73), (0.31, -0.77)])
    role = Role.TRIM if kind == "contrast" else Role.BASE
    drawing.add(band(line, 0.15 if kind == "wide" else 0.09), role, lift=1.7, edge=0.8)
    for side in (1, -1) if kind == "bow" else ():
        loop = smooth([(0, -0.73), (0.14 * side, -0.82), (0.16 * side, -0.67), (0, -0.72)])
        tail = smooth([(0, -0.73), (0.05 * side, -0.6), (0.08 * side, -0.48)])
        drawing.add(loop, Role.TRIM, lift=2.2, edge=0.9)
        drawing.add(band(tail, 0.04), Role.TRIM, lift=2.1)
