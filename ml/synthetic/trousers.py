"""Trousers and shorts."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import Points, band, box, ellipse, join, mirrored, moved, smooth

PLAIN = {"crease": "none", "knee": "none"}
LEGS = {  # half widths at thigh, knee and ankle
    "skinny": (0.27, 0.15, 0.115),
    "straight": (0.3, 0.2, 0.18),
    "wide": (0.32, 0.27, 0.3),
    "bootcut": (0.28, 0.16, 0.22),
}
LENGTHS = {"full": 1.0, "cropped": 0.68, "bermuda": 0.02, "brief": -0.32}
WAIST, CROTCH, KNEE = -1.0, -0.32, 0.3


def trousers(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws trousers or shorts.

    Args:
        cut: the choices for leg, length, waist, pocket, cuffs and side; crease and knee may be
            missing.
        limb: −1 … 1, how far the legs spread.
    """
    cut = {**PLAIN, **cut}
    drawing = Drawing(texture="twill")
    back = smooth(
        [
            (0, WAIST - 0.05),
            (0.2, WAIST - 0.045),
            (0.34, WAIST),
            (0.3, WAIST + 0.14),
            (0, WAIST + 0.18),
        ],
        3,
    )
    drawing.add(mirrored(back), Role.INSIDE, lift=0.2)
    outseam, inseam = _leg(cut, 0.03 * limb)
    leg = join(outseam, inseam, [(0.0, CROTCH - 0.04), (0, WAIST + 0.02), (0.2, WAIST + 0.01)])
    for side in (-1, 1):
        mirror = np.array([side, 1])
        drawing.add(leg * mirror, patterned=True, edge=0.6)
        if cut["side"] != "none":
            line = outseam[outseam[:, 1] > -0.8] - (0.05, 0)
            drawing.add(band(line * mirror, 0.05), Role.ACCENT, lift=1.05, edge=0.3)
            if cut["side"] == "double":
                drawing.add(
                    band((line - (0.075, 0)) * mirror, 0.03), Role.ACCENT, lift=1.05, edge=0.3
                )
        hem = np.array([inseam[0], outseam[-1]])
        _cuffs(drawing, cut["cuffs"], hem, mirror)
        _pocket(drawing, cut["pocket"], float(hem[1, 1]), mirror)
        _shape(drawing, cut, hem, mirror)
    drawing.seam(smooth([(0, WAIST + 0.1), (0.005, -0.6), (0, CROTCH)]), 0.9, 0.016)
    _waist(drawing, cut["waist"])
    return drawing


def _leg(cut: Mapping[str, str], spread: float) -> tuple[Points, Points]:
    """The right leg's outer edge from top to bottom, and its inner edge from bottom to top."""
    thigh, knee, ankle = LEGS[cut["leg"]]
    end = LENGTHS[cut["length"]]
    share = (end - CROTCH) / (1.0 - CROTCH)
    widths = [thigh, knee, ankle] if share > 0.5 else [0.235, max(knee, 0.2), ankle]
    low = float(np.interp(share, [0, 0.5, 1], widths))
    centre = max(0.23, low + 0.025) + spread
    outer = [(0.34, WAIST), (0.42, -0.66), (0.44, -0.5), (centre + low, end)]
    inner = [(centre - low, end), (0.02, CROTCH)]
    if share > 0.1:
        outer[2] = (0.455, CROTCH)
    if share > 0.6:
        at = max(0.23, knee + 0.025) + spread / 2
        outer.insert(3, (at + knee + 0.02, KNEE))
        inner.insert(1, (at - knee, KNEE))
    return smooth(outer), smooth(inner)


def _cuffs(drawing: Drawing, kind: str, hem: Points, mirror: Points) -> None:
    if kind == "rib":
        drawing.add(join(moved(hem, 0, 0.02), hem[::-1] - (0, 0.1)) * mirror, lift=1.3, edge=0.8)
        for x in np.arange(hem[0, 0] + 0.02, hem[1, 0], 0.03):
            drawing.seam(np.array([(x, hem[0, 1] - 0.1), (x, hem[0, 1] + 0.01)]) * mirror, 0.35)
    elif kind == "turned":
        turn_up = join(hem + np.array([(-0.012, 0.03), (0.012, 0.03)]), hem[::-1] - (0, 0.09))
        drawing.add(turn_up * mirror, Role.TRIM, lift=1.6, edge=0.9)
    else:
        drawing.seam((hem - (0, 0.04)) * mirror, 0.4)


def _pocket(drawing: Drawing, kind: str, end: float, mirror: Points) -> None:
    side = mirror[0]
    if kind == "slant":
        drawing.seam(np.array([(0.24, WAIST + 0.1), (0.4, WAIST + 0.34)]) * mirror, 0.9, 0.018)
    elif kind == "jeans":
        drawing.seam(
            smooth([(0.18, WAIST + 0.1), (0.22, WAIST + 0.21), (0.38, WAIST + 0.24)]) * mirror,
            0.9,
            0.018,
        )
        drawing.add(ellipse(0.37 * side, WAIST + 0.21, 0.012), Role.HARDWARE, lift=1.6)
    elif kind == "cargo":
        y = min(0.0, end - 0.34)
        drawing.add(box(0.26, y, 0.48, y + 0.28, 0.02) * mirror, lift=2.0, edge=1.0)
        drawing.add(box(0.25, y - 0.02, 0.49, y + 0.08, 0.02) * mirror, lift=2.4, edge=1.0)
        drawing.add(ellipse(0.37 * side, y + 0.05, 0.014), Role.HARDWARE, lift=2.5)
    else:
        patch = np.array(
            [(0.16, -0.82), (0.38, -0.82), (0.38, -0.58), (0.27, -0.53), (0.16, -0.58)]
        )
        drawing.add(patch * mirror, lift=1.6, edge=1.0)


def _shape(drawing: Drawing, cut: Mapping[str, str], hem: Points, mirror: Points) -> None:
    """Draws pressed creases and knee patches, and adds the folds of the leg."""
    (inside, end), (outside, _) = hem
    centre = (inside + outside) / 2
    if cut["crease"] == "pressed":
        line = smooth([(0.2, -0.7), (0.22, CROTCH), (centre, end)])
        drawing.seam(line * mirror, 0.9)
        drawing.seam((moved(line, 0.013, 0)) * mirror, -0.6)
    if cut["knee"] == "panel":
        drawing.add(box(0.12, 0.14, 0.37, 0.4) * mirror, Role.TRIM, lift=1.2, edge=0.8)
    drawing.fold(
        smooth([(0.03, CROTCH), (0.18, -0.22), (0.34, -0.2)]) * mirror,
        smooth([(0.03, CROTCH - 0.05), (0.14, -0.46), (0.28, -0.6)]) * mirror,
        smooth([(0.14, -0.1), (0.2, 0.2), (centre, end)]) * mirror,
        smooth([(0.3, -0.3), (0.33, 0.1), (centre * 0.6 + outside * 0.4, end)]) * mirror,
        smooth([(0.1, 0.28), (0.22, 0.33), (0.36, 0.28)]) * mirror,
        smooth([(inside, end - 0.14), (centre, end - 0.08), (outside, end - 0.13)]) * mirror,
    )


def _waist(drawing: Drawing, kind: str) -> None:
    line = smooth([(-0.35, WAIST + 0.02), (0, WAIST + 0.06), (0.35, WAIST + 0.02)])
    drawing.add(
        band(line, 0.11), Role.TRIM if kind == "contrast" else Role.BASE, lift=1.6, edge=0.8
    )
    if kind == "elastic":
        for x in np.arange(-0.33, 0.34, 0.04):
            drawing.seam([(x, WAIST), (x * 0.98, WAIST + 0.11)], 0.5)
        for side in (1, -1):
            cord = smooth(
                [
                    (0.02 * side, WAIST + 0.07),
                    (0.05 * side, WAIST + 0.2),
                    (0.03 * side, WAIST + 0.34),
                ]
            )
            drawing.add(band(cord, 0.022), Role.HARDWARE, lift=2, edge=0.5)
        return
    for x in (-0.25, -0.09, 0.12, 0.26):
        drawing.add(box(x - 0.014, WAIST - 0.02, x + 0.014, WAIST + 0.13), lift=2, edge=0.7)
    drawing.add(ellipse(0, WAIST + 0.06, 0.022), Role.HARDWARE, lift=2.2)
    drawing.seam(smooth([(0.07, WAIST + 0.12), (0.07, -0.6), (0.0, -0.46)]), 0.6)
