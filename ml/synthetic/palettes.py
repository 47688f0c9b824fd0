"""Colourways: the colours that the roles of a design have in one product."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ml.synthetic.drawing import Role

COLOURS: dict[str, tuple[int, int, int]] = {
    "Black": (34, 34, 37), "White": (246, 246, 244), "Charcoal": (78, 80, 86),
    "Grey": (160, 162, 166), "Navy Blue": (32, 42, 78), "Blue": (44, 94, 172),
    "Light Blue": (163, 199, 230), "Turquoise": (58, 172, 178), "Teal": (24, 96, 102),
    "Green": (46, 126, 74), "Olive": (108, 110, 64), "Mint": (184, 225, 205),
    "Yellow": (242, 204, 70), "Mustard": (204, 152, 48), "Orange": (232, 122, 48),
    "Peach": (246, 192, 164), "Coral": (238, 126, 112), "Red": (192, 36, 46),
    "Maroon": (108, 28, 46), "Pink": (240, 166, 192), "Magenta": (202, 48, 124),
    "Lavender": (198, 183, 224), "Purple": (98, 60, 136), "Beige": (222, 205, 176),
    "Khaki": (178, 161, 120), "Tan": (190, 134, 82), "Brown": (100, 68, 48),
    "Cream": (243, 235, 214), "Rust": (170, 80, 44), "Silver": (196, 199, 204),
    "Gold": (205, 172, 96),
}  # fmt: skip
THEMES: tuple[tuple[str, ...], ...] = (
    ("Black", "White", "Navy Blue", "Grey", "Red", "Light Blue"),
    ("White", "Pink", "Mint", "Lavender", "Light Blue", "Navy Blue", "Coral"),
    ("Yellow", "Red", "Blue", "Green", "Magenta", "White", "Black", "Orange"),
    ("Beige", "Khaki", "Olive", "Brown", "Rust", "Cream", "Black"),
    ("Teal", "Purple", "Maroon", "Navy Blue", "Black", "Mustard", "Cream"),
    ("Black", "Charcoal", "Grey", "White", "Turquoise", "Pink"),
    ("Navy Blue", "Olive", "Maroon", "Mustard", "White", "Grey", "Tan"),
    ("Peach", "Cream", "Tan", "Black", "Teal", "Red", "Light Blue"),
)
SCHEMES = ("white", "dark", "flip", "flip", "tonal", "paired", "paired")
HARDWARE = ("White", "Silver", "Gold", "Black", "Cream")
SOLES = ("White", "White", "Cream", "Tan", "Black", "Brown")
ENOUGH = 62.0  # least difference in luminance (of 255) between a ground and what is printed on it


class Scheme(NamedTuple):
    """The rule by which all colourways of a design are coloured.

    Attributes:
        second: "white" or "dark" for one colour wherever it is visible on the ground, "flip" for
            black or white, "tonal" for a shade of the ground, "paired" for a colour of the theme.
        accent: the name of a fixed colour, or "" for a colour of the theme.
        trim: "second", "deep" for a darker shade of the ground, or the name of a fixed colour.
        hardware, sole: names of fixed colours.
    """

    second: str
    accent: str
    trim: str
    hardware: str
    sole: str


def luminance(colour: Sequence[float] | np.ndarray) -> float:
    """The luminance, 0 … 255, of an RGB colour in 0 … 255 (ITU-R BT.601)."""
    return float(np.dot(colour, (0.299, 0.587, 0.114)))


def draw_scheme(random: np.random.Generator, theme: Sequence[str]) -> Scheme:
    """Draws a random scheme; `theme` names the colours of the block."""
    accents = ("", "", "White", "Red", "Yellow", "Orange", "Turquoise", theme[0])
    trims = ("second", "second", "deep", "deep", "deep", "Black")
    return Scheme(
        *(str(random.choice(choices)) for choices in (SCHEMES, accents, trims, HARDWARE, SOLES))
    )


def colourway(base: str, scheme: Scheme, theme: Sequence[str]) -> np.ndarray:
    """The colour of each role in one product.

    Args:
        base: the name of the ground colour.
        scheme: the scheme of the design.
        theme: the names of the colours of the block.

    Returns:
        float (len(Role), 3) in 0 … 255; the background is black.
    """
    ground = np.array(COLOURS[base], float)
    second = _second(ground, scheme, theme)
    accent = _visible(ground, [scheme.accent, *reversed(theme), "White", "Black"], second)
    trim = {"second": second, "deep": _tonal(ground, 0.68)}.get(scheme.trim)
    if trim is None:
        trim = np.array(COLOURS[scheme.trim], float)
    table = np.zeros((len(Role), 3))
    table[Role.BASE], table[Role.SECOND], table[Role.ACCENT], table[Role.TRIM] = (
        ground,
        second,
        accent,
        trim,
    )
    table[Role.MIX] = (ground + second) / 2
    table[Role.INSIDE] = ground * 0.58 if luminance(ground) > 60 else ground * 0.5 + 6
    table[Role.HARDWARE], table[Role.SOLE] = COLOURS[scheme.hardware], COLOURS[scheme.sole]
    return table


def _second(ground: np.ndarray, scheme: Scheme, theme: Sequence[str]) -> np.ndarray:
    light, dark = ("White", "Cream"), ("Navy Blue", "Black", "Maroon")
    if scheme.second == "white":
        return _visible(ground, [*light, *dark])
    if scheme.second == "dark":
        return _visible(ground, ["Navy Blue" if "Navy Blue" in theme else "Black", *dark, *light])
    if scheme.second == "flip":
        return np.array(COLOURS["Black" if luminance(ground) > 118 else "White"], float)
    if scheme.second == "tonal":
        return _tonal(ground, 0.55) if luminance(ground) > 128 else ground + (255 - ground) * 0.38
    place = theme.index(_name(ground)) if _name(ground) in theme else 0
    return _visible(ground, [*theme[place + 1 :], *theme[:place], *light, *dark])


def _tonal(ground: np.ndarray, share: float) -> np.ndarray:
    """A darker shade of the ground, or a lighter shade of a ground that is dark."""
    return ground * share if luminance(ground) > 70 else ground + (255 - ground) * (1 - share) * 0.6


def _visible(
    ground: np.ndarray, names: Sequence[str], other: np.ndarray | None = None
) -> np.ndarray:
    """The first of the named colours that is visible on the ground.

    With `other`, it must differ from that colour too. Black or white is returned where none fits.
    """
    for name in names:
        if name:
            colour = np.array(COLOURS[name], float)
            distinct = other is None or np.abs(colour - other).max() > 40
            if distinct and abs(luminance(colour) - luminance(ground)) >= (
                ENOUGH if other is None else ENOUGH * 0.6
            ):
                return colour
    return np.array(COLOURS["Black" if luminance(ground) > 118 else "White"], float)


def _name(colour: np.ndarray) -> str:
    return next(name for name, value in COLOURS.items() if value == tuple(colour))
