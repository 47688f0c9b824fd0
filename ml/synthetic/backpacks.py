"""Backpacks, seen from the front."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import band, box, ellipse, join, mirrored, smooth

ROUND = [
    (0, -0.93),
    (0.28, -0.88),
    (0.48, -0.66),
    (0.56, -0.1),
    (0.6, 0.6),
    (0.55, 0.83),
    (0.3, 0.9),
    (0, 0.91),
]
SQUARE = [(0.46, -0.9), (0.55, -0.82), (0.58, 0.0), (0.56, 0.8), (0.5, 0.88)]


def backpack(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a backpack.

    Args:
        cut: the choices for shape, pocket, top, sides, patch and front.
        limb: −1 … 1, how far the straps spread.
    """
    drawing = Drawing(texture="canvas", standing=True)
    spread = 0.03 * limb
    for side in (1, -1):
        strap = [(0.3, -0.7), (0.66 + spread, -0.3), (0.7 + spread, 0.35), (0.52, 0.72)]
        drawing.add(band(smooth(strap) * (side, 1), 0.09, 0.05), Role.TRIM, lift=0.5, edge=0.8)
    loop = smooth([(-0.13, -0.86), (-0.12, -1.0), (0, -1.04), (0.12, -1.0), (0.13, -0.86)])
    drawing.add(band(loop, 0.05), Role.TRIM, lift=0.8, edge=0.8)
    half = (
        join([(0, -0.9)], smooth(SQUARE), [(0, 0.9)]) if cut["shape"] == "square" else smooth(ROUND)
    )
    drawing.add(mirrored(half), patterned=True, lift=1.6, edge=0.9)
    if cut["sides"] == "mesh":
        mesh = np.array([(0.44, 0.25), (0.6, 0.18), (0.61, 0.7), (0.46, 0.78)])
        for side in (1, -1):
            drawing.add(mesh * (side, 1), Role.TRIM, lift=2, edge=0.8)
    _top(drawing, cut["top"])
    _pocket(drawing, cut["pocket"], Role.TRIM if cut["front"] == "contrast" else Role.BASE)
    if cut["patch"] != "none":
        square, diamond = (
            box(-0.1, -0.54, 0.1, -0.34, 0.02),
            [(0, -0.56), (0.09, -0.44), (0, -0.32), (-0.09, -0.44)],
        )
        patch = {"square": square, "round": ellipse(0, -0.44, 0.1), "diamond": np.array(diamond)}[
            cut["patch"]
        ]
        drawing.add(patch, Role.ACCENT, lift=3, edge=0.8)
    for side in (1, -1):
        drawing.fold(smooth([(0.5 * side, -0.4), (0.44 * side, 0.1), (0.5 * side, 0.7)]))
        drawing.fold(smooth([(0.3 * side, -0.7), (0.33 * side, -0.3), (0.3 * side, 0)]))
        drawing.fold(smooth([(0.1 * side, -0.2), (0.3 * side, -0.1), (0.5 * side, -0.15)]))
    return drawing


def _top(drawing: Drawing, kind: str) -> None:
    if kind == "flap":
        corner = smooth([(0.35, -0.92), (0.55, -0.72), (0.58, -0.3)])
        flap = join([(0, -0.96)], corner, smooth([(0.54, -0.2), (0.3, -0.14), (0, -0.13)]))
        drawing.add(mirrored(flap), patterned=True, lift=2.4, edge=1.0)
        for x in (0.24, -0.24):
            drawing.add(box(x - 0.035, -0.42, x + 0.035, 0.12), Role.TRIM, lift=2.7, edge=0.8)
            drawing.add(
                box(x - 0.055, -0.04, x + 0.055, 0.05, 0.01), Role.HARDWARE, lift=3, edge=0.9
            )
    elif kind == "zip":
        line = smooth([(-0.52, -0.2), (-0.44, -0.62), (0, -0.8), (0.44, -0.62), (0.52, -0.2)])
        drawing.add(band(line, 0.03), Role.HARDWARE, lift=1.9, edge=0.9)
    else:  # rolled
        drawing.add(box(-0.5, -0.98, 0.5, -0.74, 0.06), patterned=True, lift=2.4, edge=1.0)
        drawing.seam([(-0.5, -0.86), (0.5, -0.86)], 0.7)
        drawing.add(box(-0.04, -0.99, 0.04, -0.3), Role.TRIM, lift=2.8, edge=0.9)
        drawing.add(box(-0.06, -0.5, 0.06, -0.42), Role.HARDWARE, lift=3, edge=0.9)


def _pocket(drawing: Drawing, kind: str, role: Role) -> None:
    if kind == "one":
        half = join(
            [(0, 0.14)],
            smooth([(0.4, 0.14), (0.46, 0.22), (0.46, 0.74)], 4),
            [(0.42, 0.8), (0, 0.81)],
        )
        drawing.add(mirrored(half), role, patterned=role == Role.BASE, lift=2.4, edge=1.0)
        drawing.seam(smooth([(-0.4, 0.26), (0, 0.24), (0.4, 0.26)]), 0.9, 0.022)
    elif kind == "two":
        for y in (0.02, 0.44):
            drawing.add(box(-0.44, y, 0.44, y + 0.36, 0.06), role, lift=2.4, edge=1.0)
            drawing.seam([(-0.4, y + 0.09), (0.4, y + 0.09)], 0.9, 0.022)
    elif kind == "split":
        for x in (0.24, -0.24):
            drawing.add(box(x - 0.21, 0.24, x + 0.21, 0.78, 0.05), role, lift=2.4, edge=1.0)
            drawing.add(box(x - 0.22, 0.22, x + 0.22, 0.4, 0.04), role, lift=2.8, edge=1.0)
            drawing.add(ellipse(x, 0.35, 0.022), Role.HARDWARE, lift=3, edge=0.9)
    else:  # a slanting zip
        drawing.add(band([(-0.42, 0.1), (0.42, 0.34)], 0.03), Role.HARDWARE, lift=2, edge=0.9)
