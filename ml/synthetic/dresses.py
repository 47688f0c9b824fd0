"""Dresses: a bodice, perhaps sleeves, and a skirt."""

from collections.abc import Mapping

import numpy as np

from ml.synthetic.drawing import Drawing, Role
from ml.synthetic.geometry import Points, band, box, ellipse, flip, join, mirrored, moved, smooth

NECKS = {"round": (0.2, 0.15), "v": (0.19, 0.42), "square": (0.22, 0.26), "deep": (0.24, 0.32)}
SHAPES = {
    "fitted": (0.39, 0.35),
    "a-line": (0.46, 0.56),
    "flared": (0.5, 0.68),
    "shift": (0.4, 0.44),
}
LENGTHS = {"mini": 0.52, "knee": 0.76, "midi": 1.06}
WAISTS = {"natural": -0.14, "empire": -0.34, "low": 0.02}
STRAPPED = {
    "round": (0.3, (0.15, 0.26)),
    "v": (0.46, (0.13, 0.36)),
    "square": (0.32, (0.18, 0.32)),
    "deep": (0.4, (0.15, 0.36)),
}
# Each sleeve: its outer edge, its inner edge (y from the shoulders), and the turn of its cloth in
# degrees.
SLEEVES = {
    "cap": ([(0.31, 0.05), (0.47, 0.14), (0.53, 0.28)], [(0.53, 0.28), (0.34, 0.4)], 32.0),
    "short": ([(0.31, 0.05), (0.46, 0.14), (0.62, 0.48)], [(0.43, 0.56), (0.34, 0.46)], 32.0),
    "puff": ([(0.3, 0.06), (0.48, 0.03), (0.62, 0.2), (0.61, 0.42)],
             [(0.61, 0.42), (0.43, 0.49), (0.33, 0.46)], 32.0),
    "long": ([(0.31, 0.05), (0.46, 0.16), (0.56, 0.7), (0.63, 1.22)],
             [(0.5, 1.24), (0.44, 0.8), (0.34, 0.46)], 14.0),
}  # fmt: skip
TOP, BUST = -1.0, -0.54


def dress(cut: Mapping[str, str], limb: float) -> Drawing:
    """Draws a dress.

    Args:
        cut: the choices for neck, trim, sleeve, shape, length, waist, belt, front and hem.
        limb: −1 … 1, how far the hem swings.
    """
    drawing = Drawing()
    waist, end = WAISTS[cut["waist"]], LENGTHS[cut["length"]]
    hip, bottom = SHAPES[cut["shape"]]
    narrow, swing, fall = 0.36 if cut["shape"] == "shift" else 0.295, 0.03 * limb, end - waist
    line, shoulder = _neck(drawing, cut)
    _sleeves(drawing, cut["sleeve"])
    hips = (narrow + (hip - narrow) * 0.85, waist + 0.34 * fall)
    thighs = (hip + (bottom - hip) * 0.55, waist + 0.7 * fall)
    side = smooth([shoulder[-1], (narrow, waist), hips, thighs, (bottom, end - 0.02)])
    raised = 0.17 if cut["hem"] == "highlow" else -0.06
    curve = smooth([(bottom, end), (bottom * 0.5, end - raised * 0.8), (0, end - raised)])
    if cut["hem"] == "highlow":
        back = smooth([(bottom * 0.98, end - 0.02), (bottom * 0.5, end + 0.06), (0, end + 0.07)])
        inside = mirrored(join([(0, end - 0.4), (bottom * 0.9, end - 0.2)], back))
        drawing.add(moved(inside, swing, 0), Role.INSIDE, lift=0.3)
    outline = mirrored(join(line, shoulder, side, curve))
    outline[:, 0] += swing * np.clip((outline[:, 1] - waist) / fall, 0, 1) ** 2
    drawing.add(outline, patterned=True, lift=1.1)
    _hem(drawing, cut["hem"], moved(join(curve, flip(curve)), swing, 0))
    neckline = band(moved(join(flip(line), line), 0, 0.012), 0.045)
    drawing.add(neckline, Role.TRIM if cut["trim"] == "contrast" else Role.BASE, lift=1.5)
    _front(drawing, cut["front"], (narrow, waist), (bottom, end - max(raised, 0)))
    _belt(drawing, cut["belt"], narrow, waist)
    for x in (-0.9, -0.6, -0.35, -0.1, 0.1, 0.35, 0.6, 0.9):
        drawing.fold(
            smooth(
                [(x * narrow, waist), (x * hip * 0.9, (waist + end) / 2), (x * bottom + swing, end)]
            )
        )
    for sign in (1, -1):
        drawing.fold(
            smooth([(0.36 * sign, BUST + 0.04), (0.2 * sign, waist - 0.16), (0.1 * sign, waist)])
        )
        drawing.fold(smooth([(0.3 * sign, TOP + 0.2), (0.22 * sign, BUST), (0.25 * sign, waist)]))
    return drawing


def _neck(drawing: Drawing, cut: Mapping[str, str]) -> tuple[Points, Points]:
    """Draws the inside of the back, or the straps.

    Returns:
        The neckline from its middle to the right, and the edge from the shoulder to the bust.
    """
    kind, (neck, depth) = cut["neck"], NECKS[cut["neck"]]
    if cut["sleeve"] == "straps":
        middle, corner = STRAPPED[kind]
        for side in (1, -1):
            strap = smooth(
                [(0.255 * side, TOP + 0.27), (0.26 * side, TOP + 0.1), (0.22 * side, TOP - 0.03)]
            )
            drawing.add(band(strap, 0.05), Role.TRIM if cut["trim"] == "contrast" else Role.BASE)
        line = join(
            smooth([(0, TOP + middle), (corner[0], TOP + corner[1])], 4), [(0.25, TOP + 0.24)]
        )
        return line, smooth([(0.27, TOP + 0.24), (0.31, TOP + 0.34), (0.36, BUST)])
    shoulders = [
        (0, TOP - 0.04),
        (neck * 0.7, TOP - 0.03),
        (neck, TOP),
        (neck + 0.02, TOP + depth * 0.6),
    ]
    back = [*shoulders, (neck, TOP + depth + 0.02), (0, TOP + depth + 0.04)]
    drawing.add(mirrored(back), Role.INSIDE, lift=0.2)
    drawing.seam(smooth([(-neck, TOP), (0, TOP + 0.04), (neck, TOP)]), 0.6)
    label = box(-0.045, TOP, 0.045, TOP + 0.04)
    drawing.add(label, Role.HARDWARE, lift=0.25, edge=0.2)
    if kind == "v":
        line = smooth([(0, TOP + depth), (neck * 0.55, TOP + depth * 0.5), (neck, TOP)])
    elif kind == "square":
        line = np.array([(0, TOP + depth), (neck * 0.85, TOP + depth - 0.01), (neck, TOP)])
    else:
        line = smooth([(0, TOP + depth), (neck * 0.7, TOP + depth * 0.75), (neck, TOP)])
    return line, smooth([(0.37, TOP + 0.08), (0.335, TOP + 0.28), (0.37, BUST)])


def _sleeves(drawing: Drawing, kind: str) -> None:
    if kind not in SLEEVES:
        return
    upper, lower, turn = SLEEVES[kind]
    outline = moved(join(smooth(upper), smooth(lower)), 0, TOP)
    for side in (1, -1):
        drawing.add(
            outline * (side, 1), Role.BASE, True, 0.8, -side * turn, (0.45 * side, TOP + 0.3)
        )
        if kind == "puff":
            drawing.add(band([(0.4 * side, TOP + 0.48), (0.61 * side, TOP + 0.42)], 0.05), lift=1.2)
        if kind == "long":
            drawing.fold(
                smooth([(0.36 * side, BUST), (0.5 * side, TOP + 0.62), (0.55 * side, TOP + 0.9)])
            )
            drawing.fold(smooth([(0.44 * side, TOP + 0.7), (0.56 * side, TOP + 0.74)]))


def _hem(drawing: Drawing, kind: str, edge: Points) -> None:
    if kind == "contrast":
        drawing.add(join(edge, (edge * (0.98, 1) - (0, 0.1))[::-1]), Role.TRIM, lift=1.3)
    elif kind == "ruffle":
        frill = join(edge * (1.05, 1) + (0, 0.06), (edge * (0.97, 1) - (0, 0.16))[::-1])
        drawing.add(frill, patterned=True, lift=1.8, edge=0.9)
    else:
        drawing.seam(edge - (0, 0.04), 0.4)


def _front(
    drawing: Drawing, kind: str, waist: tuple[float, float], hem: tuple[float, float]
) -> None:
    """Draws the front between the waist and the hem, each given by half width and y."""
    (narrow, high), (bottom, low) = waist, hem
    if kind == "buttons":
        for x in (-0.05, 0.05):
            drawing.seam([(x, TOP + 0.42), (x, low)], 0.7)
        for y in np.arange(TOP + 0.5, low - 0.05, 0.15):
            drawing.add(ellipse(0, y, 0.022), Role.HARDWARE, lift=1.8, edge=0.9)
    elif kind == "pleats":
        for x in np.linspace(-0.9, 0.9, 9):
            middle = (x * (narrow + bottom) / 2, (high + low) / 2)
            line = smooth([(x * narrow, high + 0.02), middle, (x * bottom, low + 0.04)])
            drawing.seam(line, 1.0, 0.02)
            drawing.seam(moved(line, 0.02, 0), -0.6, 0.02)
    elif kind == "tiers":
        for share in (0.34, 0.67):
            y, wide = high + share * (low - high), narrow + (bottom - narrow) * share * 0.97
            line = smooth([(-wide, y), (0, y + 0.05), (wide, y)])
            drawing.seam(line, 1.0, 0.026)
            drawing.seam(moved(line, 0, 0.024), -0.7, 0.02)
    elif kind == "wrap":
        drawing.seam(
            smooth([(0.2, TOP + 0.3), (0.0, high - 0.2), (-narrow * 0.9, high)]), 1.0, 0.024
        )
        drawing.seam(
            smooth([(-narrow * 0.6, high), (0.05, (high + low) / 2), (0.14, low)]), 1.0, 0.024
        )
    elif kind == "pockets":
        for x in (0.21, -0.21):
            drawing.add(
                box(x - 0.1, high + 0.14, x + 0.1, high + 0.36, 0.03),
                patterned=True,
                lift=1.6,
                edge=1.0,
            )


def _belt(drawing: Drawing, kind: str, narrow: float, y: float) -> None:
    line = smooth([(-narrow - 0.01, y), (0, y + 0.03), (narrow + 0.01, y)])
    if kind == "seam":
        drawing.seam(line, 0.9, 0.02)
    elif kind in ("sash", "bow"):
        drawing.add(band(line, 0.1), Role.TRIM, lift=1.7, edge=0.8)
    elif kind == "buckle":
        drawing.add(band(line, 0.07), Role.TRIM, lift=1.8, edge=0.9)
        drawing.add(box(-0.05, y - 0.03, 0.05, y + 0.09, 0.02), Role.HARDWARE, lift=2.2, edge=0.9)
        drawing.add(box(-0.025, y, 0.025, y + 0.06), Role.TRIM, lift=1.8, edge=0.6)
    for side in (1, -1) if kind == "bow" else ():
        loop = np.array([(0, 0), (0.13 * side, -0.09), (0.14 * side, 0.08), (0, 0.02)])
        tail = np.array([(0, 0), (0.04 * side, 0.16), (0.07 * side, 0.3)])
        drawing.add(moved(smooth(loop), 0.1, y), Role.TRIM, lift=2.2, edge=0.9)
        drawing.add(band(moved(smooth(tail), 0.1, y), 0.04), Role.TRIM, lift=2)
