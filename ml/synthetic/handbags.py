"""Handbags."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import Points, band, box, ellipse, join, mirrored, smooth, straight

BAGS = {  # the right half of the outline, from the top's middle to the bottom's
    "tote": join([(0, -0.35), (0.62, -0.35)],
                 smooth([(0.61, -0.1), (0.58, 0.5), (0.5, 0.6), (0, 0.62)], 3)),
    "trapeze": join([(0, -0.3), (0.55, -0.3)],
                    smooth([(0.57, -0.2), (0.82, 0.5), (0.74, 0.58), (0, 0.6)], 3)),
    "box": join([(0, -0.2), (0.68, -0.2)], smooth([(0.72, -0.16), (0.73, 0.1), (0.72, 0.52)], 4),
                [(0.68, 0.57), (0, 0.58)]),
    "hobo": join(smooth([(0, -0.08), (0.3, -0.12), (0.58, -0.34)]),
                 smooth([(0.64, -0.3), (0.82, 0.2), (0.62, 0.56), (0, 0.62)])),
    "bucket": join([(0, -0.32), (0.42, -0.34)],
                   smooth([(0.44, -0.2), (0.56, 0.55), (0.48, 0.64), (0, 0.67)], 4)),
}  # fmt: skip
HANDLES = {"short": 0.42, "double": 0.5, "long": 0.85, "chain": 0.8}  # height above the bag


def handbag(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a handbag.

    Args:
        cut: the choices for shape, handle, closure, panel and extra.
        limb: −1 … 1, how far the handle falls to one side.
    """
    drawing = Drawing(texture="leather", standing=True)
    half = BAGS[cut["shape"]]
    top, wide = float(half[1, 1]), 0.55 if cut["shape"] == "hobo" else float(half[1, 0])
    _handle(drawing, cut["handle"], top, wide, limb)
    drawing.add(mirrored(half), patterned=True, lift=1.5, edge=0.9)
    _panel(drawing, cut["panel"], half, top, wide)
    _closure(drawing, cut["closure"], top, wide)
    if cut["handle"] in ("short", "double"):
        for x in (wide * 0.55, -wide * 0.55):
            drawing.add(
                box(x - 0.06, top + 0.06, x + 0.06, top + 0.18, 0.02), Role.TRIM, lift=2, edge=0.9
            )
            drawing.add(ellipse(x, top + 0.09, 0.02), Role.HARDWARE, lift=2.2)
    _extra(drawing, cut["extra"], top, wide)
    for side in (1, -1):
        drawing.fold(smooth([(0.4 * side, top + 0.1), (0.45 * side, 0.1), (0.4 * side, 0.5)]))
        drawing.fold(smooth([(0.5 * side, 0.5), (0.3 * side, 0.35), (0.1 * side, 0.4)]))
        drawing.fold(smooth([(0.15 * side, top + 0.1), (0.2 * side, 0.2)]))
    return drawing


def _handle(drawing: Drawing, kind: str, top: float, wide: float, limb: float) -> None:
    height = HANDLES[kind] + 0.03 * limb
    reach, middle = wide * (0.55 if kind in ("short", "double") else 0.9), top - height * 0.6
    rise = [(-reach, top + 0.12), (-reach * 0.9, middle), (0.03 * limb, top - height)]
    arc = smooth([*rise, (reach * 0.9, middle), (reach, top + 0.12)])
    if kind == "chain":
        for x, y in arc:
            drawing.add(ellipse(x, y, 0.03, 0.024), Role.HARDWARE, lift=1.2, edge=1.0)
        return
    if kind == "double":
        drawing.add(band(arc * (0.97, 1) + (0.05, -0.02), 0.055), Role.INSIDE, lift=0.6)
    drawing.add(band(arc, 0.05 if kind == "long" else 0.07), Role.TRIM, lift=1.0, edge=0.8)


def _panel(drawing: Drawing, kind: str, half: Points, top: float, wide: float) -> None:
    outer = half[1:]  # from the upper corner downwards
    if kind == "base":
        x = np.interp(0.3, outer[:, 1], outer[:, 0])
        drawing.add(
            mirrored(join([(0, 0.3), (x, 0.3)], outer[outer[:, 1] > 0.3])),
            Role.TRIM,
            lift=1.8,
            edge=0.9,
        )
    elif kind == "top":
        x = np.interp(0.0, outer[:, 1], outer[:, 0])
        drawing.add(
            mirrored(join(half[half[:, 1] < 0], [(x, 0), (0, 0)])), Role.TRIM, lift=1.8, edge=0.9
        )
    elif kind == "stripe":
        drawing.add(
            box(-0.14, half[0, 1], 0.14, half[-1, 1] - 0.01), Role.ACCENT, lift=1.6, edge=0.7
        )
    elif kind == "quilt":
        for shift in np.arange(-2.4, 2.4, 0.2):
            for sign in (1, -1):
                line = straight((shift, top + 0.04), (shift + sign * (0.56 - top), 0.56))
                line = line[
                    np.abs(line[:, 0]) < np.interp(line[:, 1], outer[:, 1], outer[:, 0]) - 0.03
                ]
                if len(line) > 1:
                    drawing.seam(line, 0.9, 0.018)
    elif kind == "pocket":
        drawing.add(box(-wide * 0.6, 0.06, wide * 0.6, 0.5, 0.05), lift=2, edge=1.0)
        drawing.seam([(-wide * 0.6, 0.12), (wide * 0.6, 0.12)], 0.7)
    elif kind == "seams":
        for side in (1, -1):
            drawing.seam([(wide * 0.5 * side, top), (wide * 0.58 * side, 0.6)], 1.0, 0.022)


def _closure(drawing: Drawing, kind: str, top: float, wide: float) -> None:
    if kind == "flap":
        corner = [(0, top - 0.03), (wide * 1.02, top - 0.02), (wide * 1.03, top + 0.2)]
        flap = join(corner, smooth([(wide, top + 0.26), (wide * 0.5, top + 0.4), (0, top + 0.44)]))
        drawing.add(mirrored(flap), patterned=True, lift=2.4, edge=1.0)
        drawing.add(
            box(-0.06, top + 0.37, 0.06, top + 0.5, 0.02), Role.HARDWARE, lift=2.8, edge=0.9
        )
    elif kind == "envelope":
        flap = np.array(
            [(0, top - 0.03), (wide * 1.01, top - 0.02), (wide * 0.98, top + 0.08), (0, top + 0.52)]
        )
        drawing.add(mirrored(flap), patterned=True, lift=2.4, edge=1.0)
        drawing.add(ellipse(0, top + 0.46, 0.035), Role.HARDWARE, lift=2.8, edge=0.9)
    elif kind == "strap":
        drawing.add(box(-0.07, top - 0.03, 0.07, top + 0.34, 0.03), Role.TRIM, lift=2.2, edge=0.9)
        drawing.add(ellipse(0, top + 0.28, 0.032), Role.HARDWARE, lift=2.6, edge=0.9)
    else:  # zip
        drawing.seam([(-wide * 0.9, top + 0.05), (wide * 0.9, top + 0.05)], 0.8, 0.02)
        drawing.add(
            band([(wide * 0.8, top + 0.05), (wide * 0.83, top + 0.18)], 0.03),
            Role.HARDWARE,
            lift=2.4,
        )


def _extra(drawing: Drawing, kind: str, top: float, wide: float) -> None:
    if kind == "tassel":
        x = wide * 0.52
        drawing.add(band([(x - 0.01, top + 0.1), (x, top + 0.34)], 0.02), Role.ACCENT, lift=2)
        fringe = [
            (x - 0.03, top + 0.32),
            (x + 0.03, top + 0.32),
            (x + 0.06, top + 0.56),
            (x - 0.06, top + 0.56),
        ]
        drawing.add(fringe, Role.ACCENT, lift=2.2)
    elif kind == "plate":
        drawing.add(box(-0.12, 0.24, 0.12, 0.32, 0.02), Role.HARDWARE, lift=2, edge=0.8)
    elif kind == "studs":
        for x in np.linspace(-wide * 0.75, wide * 0.75, 9):
            drawing.add(ellipse(x, 0.48, 0.022, steps=10), Role.HARDWARE, lift=2, edge=0.9)
