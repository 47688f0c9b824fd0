"""Fronts of upper bodies: plackets, zips, cables, collars, hoods, pockets."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import (
    Points,
    band,
    box,
    ellipse,
    join,
    mirrored,
    moved,
    smooth,
    straight,
)

NECK = -0.9  # y where the shoulders meet the neck
TIPS = {"shirt": (0.15, -0.6), "polo": (0.19, -0.64), "spread": (0.25, -0.68)}  # of collar leaves


def front(drawing: Drawing, cut: Mapping[str, str], hem: float, top: float) -> None:
    """Draws buttons, a zip or cables; they reach from y = `top`, at the neckline, to y = `hem`."""
    kind = cut["front"]
    if kind == "buttons":
        drawing.add(box(-0.045, top - 0.02, 0.045, hem + 0.03), patterned=True, lift=1.5, edge=0.5)
        _buttons(drawing, top + 0.06, hem - 0.1, 7)
    elif kind == "hidden":
        drawing.add(box(-0.05, top - 0.02, 0.05, hem + 0.03), patterned=True, lift=1.6, edge=0.7)
    elif kind in ("placket", "henley"):
        end = top + (0.36 if kind == "placket" else 0.26)
        role = Role.TRIM if cut["trim"] == "contrast" else Role.BASE
        drawing.add(box(-0.045, top - 0.02, 0.045, end), role, lift=1.5, edge=0.6)
        _buttons(drawing, top + 0.05, end - 0.06, 3)
    elif kind == "zip":
        drawing.add(box(-0.022, top - 0.02, 0.022, hem + 0.01), Role.HARDWARE, lift=1.3, edge=0.8)
        drawing.seam(straight((0, top), (0, hem)), 0.8, 0.01)
    elif kind == "halfzip":
        drawing.add(box(-0.022, top - 0.02, 0.022, top + 0.4), Role.HARDWARE, lift=1.3, edge=0.8)
    elif kind == "cables":
        for x in (-0.24, 0.0, 0.24):
            _cable(drawing, x, top + 0.05, hem - 0.12)


def collar(drawing: Drawing, cut: Mapping[str, str], line: Points, neck: float) -> None:
    """Draws the collar on the neckline `line`, a chain from left to right of half width `neck`."""
    kind = cut["collar"]
    role = Role.TRIM if cut["trim"] == "contrast" else Role.BASE
    if kind in TIPS:
        back = smooth([(-neck + 0.02, -0.99), (0, -1.02), (neck - 0.02, -0.99)])
        drawing.add(
            join(back, [(neck - 0.03, -0.9), (0, -0.9), (-neck + 0.03, -0.9)]), role, lift=0.5
        )
        inner = smooth([(0.0, line[len(line) // 2, 1] + 0.03), (0.1, -0.87), (neck - 0.03, -0.99)])
        outer = smooth([(neck + 0.02, -0.985), (neck + 0.07, -0.86)], 3)
        leaf = join(inner, outer, smooth([(neck + 0.06, -0.8), TIPS[kind]], 3))
        for side in (1, -1):
            drawing.add(leaf * (side, 1), role, lift=2.0, edge=0.8)
    elif kind == "band":
        drawing.add(band(line, 0.11), role, lift=1.7, edge=0.7)
    elif kind == "turtle":
        tube = [
            (0, NECK - 0.19),
            (neck - 0.03, NECK - 0.17),
            (neck + 0.015, NECK + 0.02),
            (0, NECK + 0.09),
        ]
        drawing.add(mirrored(tube), role, lift=1.7, edge=0.6)
        ribs(drawing, -neck, neck, NECK - 0.16, NECK + 0.05)
        drawing.seam(smooth([(-neck, NECK - 0.07), (0, NECK - 0.04), (neck, NECK - 0.07)]), 0.7)
    elif kind == "hood":
        drawing.add(band(moved(line, 0, 0.01), 0.08), lift=1.6, edge=0.7)
        for side in (1, -1) if cut["cord"] == "cord" else ():
            cord = smooth([(0.07 * side, -0.72), (0.09 * side, -0.55), (0.08 * side, -0.36)])
            drawing.add(band(cord, 0.025), Role.HARDWARE, lift=2, edge=0.5)


def hood(drawing: Drawing) -> None:
    """Draws the hood behind the shoulders."""
    back = smooth([(0, -1.28), (0.2, -1.23), (0.31, -1.02), (0.34, -0.82), (0.2, -0.72), (0, -0.7)])
    drawing.add(mirrored(back), lift=0.6)
    opening = smooth([(0, -1.18), (0.13, -1.14), (0.21, -0.98), (0.19, -0.83), (0, -0.74)])
    drawing.add(mirrored(opening), Role.INSIDE, lift=0.3, edge=0.8)


def pocket(drawing: Drawing, kind: str, wide: float, hem: float) -> None:
    """Draws a kangaroo pocket above the hem, or pockets on the chest."""
    if kind == "kangaroo":
        low, reach = hem - 0.1, 0.36 * wide
        pouch = [(0, hem - 0.5), (0.21, hem - 0.5), (reach, hem - 0.25), (reach, low), (0, low)]
        drawing.add(mirrored(pouch), lift=1.8, edge=0.8)
        return
    for side in {"none": (), "chest": (1,), "two": (1, -1), "flaps": (1, -1)}[kind]:
        left, x, right = 0.24 * wide * side + np.array([-0.1, 0, 0.1])
        bag = [(left, -0.42), (right, -0.42), (right, -0.2), (x, -0.15), (left, -0.2)]
        drawing.add(bag, patterned=True, lift=1.6, edge=0.9)
        drawing.seam([(left, -0.38), (right, -0.38)], 0.5)
        if kind == "flaps":
            flap = [(left, -0.44), (right, -0.44), (right, -0.36), (x, -0.32), (left, -0.36)]
            drawing.add((np.array(flap) - (x, 0)) * (1.1, 1) + (x, 0), lift=2, edge=0.9)
            drawing.add(ellipse(x, -0.36, 0.016), Role.HARDWARE, lift=2.2)


def ribs(drawing: Drawing, left: float, right: float, top: float, bottom: float) -> None:
    """Draws knitted ribs on a strip."""
    for x in np.arange(left + 0.02, right, 0.035):
        drawing.seam([(x, top), (x, bottom)], 0.3)


def _buttons(drawing: Drawing, first: float, last: float, count: int) -> None:
    for y in np.linspace(first, last, count):
        drawing.add(ellipse(0, y, 0.02, steps=10), Role.HARDWARE, lift=1.9, edge=0.9)


def _cable(drawing: Drawing, x: float, top: float, bottom: float) -> None:
    y = np.linspace(top, bottom, 60)
    for phase in (0.0, np.pi):
        drawing.seam(np.stack([x + 0.04 * np.sin(y * 22 + phase), y], axis=1), 0.9, 0.018)
    for rib in (x - 0.07, x + 0.07):
        drawing.seam(straight((rib, top), (rib, bottom)), 0.6)
