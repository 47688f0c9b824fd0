"""T-shirts, polos, shirts, sweaters and hoodies: one upper body with different parts."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.fronts import NECK, collar, front, hood, pocket, ribs
from ml.synthetic.geometry import Points, band, box, ellipse, flip, join, mirrored, moved, smooth

PLAIN = {
    "neck": "crew", "sleeve": "short", "fit": "regular", "length": "regular", "hem": "straight",
    "front": "none", "collar": "none", "pocket": "none", "cuffs": "none", "sleeves": "same",
    "trim": "same", "cord": "none",
}  # fmt: skip
FITS = {"slim": 0.9, "regular": 1.0, "boxy": 1.14}
HEMS = {"crop": 0.42, "regular": 0.74, "long": 1.02}
NECKS = {  # half width, depth
    "crew": (0.19, 0.13),
    "v": (0.19, 0.42),
    "scoop": (0.26, 0.34),
    "boat": (0.28, 0.08),
    "collar": (0.17, 0.17),
}
SLEEVES = {  # length, half width at the end, degrees below the horizontal
    "cap": (0.14, 0.23, 36),
    "short": (0.36, 0.205, 50),
    "elbow": (0.62, 0.18, 62),
    "long": (1.22, 0.1, 74),
}
SHOULDER, UNDERARM = -0.78, -0.26


def top(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws an upper body.

    Args:
        cut: the choices for options of `PLAIN`; a missing option has the choice that it has there.
        limb: −1 … 1, how far the arms hang from the body.
    """
    cut = {**PLAIN, **cut}
    drawing = Drawing()
    wide, hem = FITS[cut["fit"]], HEMS[cut["length"]]
    neck, depth = NECKS[cut["neck"]]
    if cut["collar"] == "hood":
        hood(drawing)
    shoulders = [
        (0, NECK - 0.04),
        (neck * 0.7, NECK - 0.025),
        (neck, NECK),
        (neck + 0.02, NECK + depth * 0.6),
    ]
    back = [*shoulders, (neck * 0.8, NECK + depth), (0, NECK + depth + 0.03)]
    drawing.add(mirrored(back), Role.INSIDE, lift=0.2, edge=0.2)
    if cut["collar"] in ("none", "hood"):
        drawing.seam(smooth([(-neck, NECK), (0, NECK + 0.05), (neck, NECK)]), 0.6)
        label = box(-0.05, NECK + 0.005, 0.05, NECK + 0.05)
        drawing.add(label, Role.HARDWARE, lift=0.25, edge=0.2)
    for side in (1, -1):
        _sleeve(drawing, cut, wide, side, limb)
    line = _body(drawing, cut, wide, hem)
    front(drawing, cut, hem, NECK + depth)
    collar(drawing, cut, line, neck)
    pocket(drawing, cut["pocket"], wide, hem)
    for side in (1, -1):
        _drape(drawing, wide, hem, side)
    return drawing


def _body(drawing: Drawing, cut: Mapping[str, str], wide: float, hem: float) -> Points:
    """Draws the torso; returns the chain of its neckline from left to right."""
    neck, depth = NECKS[cut["neck"]]
    centre = (0.0, NECK + depth)
    if cut["neck"] == "v":
        half = smooth([centre, (neck * 0.55, NECK + depth * 0.5), (neck, NECK)])
    else:
        half = smooth(
            [
                centre,
                (neck * 0.62, NECK + depth * 0.8),
                (neck * 0.95, NECK + depth * 0.32),
                (neck, NECK),
            ]
        )
    armhole = smooth([(0.49 * wide, SHOULDER), (0.465 * wide, -0.55), (0.53 * wide, UNDERARM)])
    side = smooth(
        [
            (0.53 * wide, UNDERARM),
            (0.5 * wide, 0.1),
            (0.505 * wide, hem * 0.7),
            (0.52 * wide, hem - 0.03),
        ]
    )
    if cut["hem"] == "curved":
        side = side[side[:, 1] < hem - 0.16]
        bottom = smooth(
            [side[-1], (0.38 * wide, hem - 0.03), (0.2 * wide, hem + 0.05), (0, hem + 0.06)]
        )
    else:
        bottom = smooth([side[-1], (0.3 * wide, hem + 0.01), (0, hem + 0.02)])
    drawing.add(mirrored(join(half, armhole, side, bottom)), patterned=True, lift=1.2)
    edge, line = join(bottom, flip(bottom)), join(flip(half), half)
    if cut["cuffs"] in ("rib", "contrast"):
        role = Role.TRIM if cut["cuffs"] == "contrast" else Role.BASE
        drawing.add(join(edge, edge[::-1] * (0.96, 1) - (0, 0.1)), role, lift=1.4)
        ribs(drawing, edge[:, 0].min(), edge[:, 0].max(), hem - 0.07, hem)
    else:
        drawing.seam(edge - (0, 0.045), 0.35)
    if cut["collar"] == "none":
        role = Role.TRIM if cut["trim"] == "contrast" else Role.BASE
        drawing.add(band(moved(line, 0, 0.02), 0.06), role, lift=1.5, edge=0.6)
    return line


def _sleeve(drawing: Drawing, cut: Mapping[str, str], wide: float, side: int, limb: float) -> None:
    length, half, fall = SLEEVES[cut["sleeve"]]
    angle = np.radians(fall + 5 * limb)
    along, out = np.array([np.cos(angle), np.sin(angle)]), np.array([np.sin(angle), -np.cos(angle)])
    root, pit = np.array([0.4 * wide, SHOULDER - 0.035]), np.array([0.47 * wide, UNDERARM + 0.01])
    middle = (root + pit) / 2
    end, elbow = middle + along * (length + 0.06), middle + along * length * 0.55
    outer, inner = end + out * half, end - out * half
    tip = np.array([0.5 * wide, SHOULDER + 0.015])
    if length < 0.2:  # a cap sleeve is over before the arm begins
        upper, lower = smooth([root, tip, outer]), smooth([inner, pit])
    else:
        upper = smooth(
            [root, tip, middle + out * 0.22 + along * 0.2, elbow + out * (half + 0.035), outer]
        )
        lower = smooth([inner, elbow - out * (half + 0.03), pit])
    mirror, same = np.array([side, 1]), cut["sleeves"] == "same"
    turn, origin = side * (fall - 90 + 5 * limb), (float(middle[0] * side), float(middle[1]))
    drawing.add(
        join(upper, lower) * mirror, Role.BASE if same else Role.TRIM, same, 0.9, turn, origin
    )
    _cuff(drawing, cut["cuffs"], np.array([outer, inner]), along, out, mirror)
    drawing.fold(smooth([pit, elbow - out * 0.02, elbow + along * 0.2 + out * 0.03]) * mirror)
    drawing.fold(smooth([root + along * 0.1, elbow + out * half * 0.5]) * mirror)
    if length > 1:
        bend = elbow + along * 0.02
        drawing.fold(
            smooth([bend - out * half, bend + along * 0.05, bend + out * half * 0.6]) * mirror
        )
        drawing.fold(
            smooth([end - along * 0.2 - out * half, end - along * 0.16 + out * half]) * mirror
        )
    if cut["sleeves"] == "raglan":
        drawing.seam(smooth([root, pit]) * mirror, 0.3)


def _cuff(
    drawing: Drawing, kind: str, cuff: Points, along: Points, out: Points, mirror: Points
) -> None:
    long = along[1] > 0.9  # only long sleeves hang that steeply
    if kind in ("rib", "contrast"):
        strip = join(cuff, (cuff - along * (0.1 if long else 0.05))[::-1])
        drawing.add(strip * mirror, Role.TRIM if kind == "contrast" else Role.BASE, lift=1.2)
    elif kind == "shirt" and long:
        drawing.add(
            join(cuff + out * (0.015, -0.015), (cuff - along * 0.13)[::-1]) * mirror, lift=1.2
        )
        button = (cuff.mean(axis=0) - along * 0.06 + out * 0.03) * mirror
        drawing.add(ellipse(button[0], button[1], 0.016), Role.HARDWARE, lift=1.6)
    else:
        drawing.seam((cuff - along * 0.04) * mirror, 0.4)


def _drape(drawing: Drawing, wide: float, hem: float, side: int) -> None:
    drawing.fold(
        smooth([(0.48 * wide * side, -0.26), (0.3 * side, -0.12), (0.16 * side, 0.08)]),
        smooth([(0.47 * wide * side, 0.05), (0.25 * side, 0.12), (0.05 * side, 0.2)]),
        smooth([(0.4 * side, -0.7), (0.3 * side, -0.45), (0.27 * side, -0.2)]),
        smooth([(0.45 * wide * side, hem - 0.3), (0.3 * side, hem - 0.2), (0.2 * side, hem)]),
        smooth([(0.3 * side, -0.05), (0.33 * side, 0.3), (0.3 * side, hem)]),
        smooth([(0.12 * side, 0.1), (0.14 * side, 0.4), (0.1 * side, hem)]),
    )
