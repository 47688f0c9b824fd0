"""Pictures printed on a chest or a bag; each fills the square −1 … 1."""

from collections.abc import Callable
from functools import partial

import numpy as np

from ml.synthetic.drawing import Role, Shape
from ml.synthetic.geometry import band, box, ellipse, join, smooth
from ml.synthetic.lettering import write

WORDS = ("NORTH", "SURF", "CLUB", "RIDER", "LUCKY", "WILD", "OCEAN", "TEAM", "HELLO", "SUNSET")
NUMBERS = ("07", "24", "71", "95", "52")


def star(reach: float = 1.0, corners: int = 5, inner: float = 0.42) -> np.ndarray:
    """A star around the origin; points (2 · corners, 2)."""
    angle = np.arange(2 * corners) * np.pi / corners - np.pi / 2
    radius = reach * np.where(np.arange(2 * corners) % 2 == 0, 1, inner)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)


def heart() -> np.ndarray:
    """A heart; points (32, 2)."""
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([16 * np.sin(t) ** 3, y], axis=1) / 16


def leaf() -> np.ndarray:
    """A pointed, upright leaf; points (n, 2)."""
    return join(
        smooth([(0, -1), (0.42, -0.3), (0.3, 0.5), (0, 1)]),
        smooth([(0, 1), (-0.3, 0.5), (-0.42, -0.3), (0, -1)]),
    )


def _plain(*outlines: np.ndarray, role: Role = Role.SECOND) -> list[Shape]:
    return [Shape(outline, role) for outline in outlines]


def _mountain() -> list[Shape]:
    snow = np.array([(-0.3, -0.5), (-0.11, -0.13), (-0.3, -0.2), (-0.5, -0.1)])
    return [
        *_plain(ellipse(0.45, -0.45, 0.32), role=Role.ACCENT),
        *_plain(np.array([(-1, 0.7), (-0.3, -0.5), (0.15, 0.25), (0.4, -0.05), (1, 0.7)])),
        *_plain(snow, role=Role.BASE),
        *_plain(box(-1, 0.8, 1, 0.9)),
    ]


def _badge() -> list[Shape]:
    ring = [
        Shape(ellipse(0, 0, 1, steps=32), Role.SECOND),
        Shape(ellipse(0, 0, 0.82, steps=32), Role.BASE),
    ]
    return [*ring, *_plain(star(0.62)), *_plain(box(-1.05, 0.55, 1.05, 0.85), role=Role.ACCENT)]


def _smile() -> list[Shape]:
    face = Shape(ellipse(0, 0, 0.95, steps=32), Role.SECOND)
    mouth = band(smooth([(-0.5, 0.2), (0, 0.58), (0.5, 0.2)]), 0.16)
    return [
        face,
        *_plain(
            ellipse(-0.34, -0.25, 0.12, 0.2), ellipse(0.34, -0.25, 0.12, 0.2), mouth, role=Role.BASE
        ),
    ]


def _palm() -> list[Shape]:
    tips = [(-0.9, -0.2), (-0.7, -0.7), (0.0, -0.9), (0.75, -0.65), (0.95, -0.1)]
    fronds = [
        band(smooth([(0.05, -0.35), (x * 0.55, y - 0.22), (x, y + 0.1)]), 0.2, 0.04)
        for x, y in tips
    ]
    trunk = band(smooth([(0.05, -0.35), (0.1, 0.2), (-0.05, 0.9)]), 0.14, 0.22)
    return [*_plain(ellipse(0, 0.05, 0.75), role=Role.ACCENT), *_plain(trunk, *fronds)]


def _waves() -> list[Shape]:
    x = np.linspace(-1, 1, 40)
    lines = [band(np.stack([x, y + 0.13 * np.sin(x * 7)], axis=1), 0.14) for y in (-0.1, 0.25, 0.6)]
    return [*_plain(ellipse(0, -0.5, 0.4), role=Role.ACCENT), *_plain(*lines)]


def _bolt() -> list[Shape]:
    return _plain(
        np.array(
            [
                (0.2, -1),
                (-0.55, 0.15),
                (-0.05, 0.15),
                (-0.25, 1),
                (0.6, -0.25),
                (0.08, -0.25),
                (0.5, -1),
            ]
        )
    )


def _rings() -> list[Shape]:
    return [
        Shape(ellipse(0, 0, 1 - 0.18 * i, steps=32), Role.SECOND if i % 2 == 0 else Role.BASE)
        for i in range(5)
    ]


def _triangles() -> list[Shape]:
    roles = (Role.SECOND, Role.ACCENT, Role.SECOND)
    centres = [(0, -0.35), (-0.45, 0.55), (0.45, 0.55)]
    return [
        Shape(np.array([(x, y - 0.6), (x + 0.55, y + 0.3), (x - 0.55, y + 0.3)]), role)
        for (x, y), role in zip(centres, roles, strict=True)
    ]


def _cat() -> list[Shape]:
    head = Shape(ellipse(0, 0.15, 0.8, 0.65), Role.SECOND)
    ears = _plain(
        np.array([(-0.75, 0), (-0.7, -0.9), (-0.15, -0.4)]),
        np.array([(0.75, 0), (0.7, -0.9), (0.15, -0.4)]),
    )
    eyes = _plain(ellipse(-0.32, 0.05, 0.12), ellipse(0.32, 0.05, 0.12), role=Role.BASE)
    return [
        head,
        *ears,
        *eyes,
        *_plain(np.array([(-0.1, 0.3), (0.1, 0.3), (0, 0.42)]), role=Role.ACCENT),
    ]


def _bars() -> list[Shape]:
    roles = (Role.SECOND, Role.ACCENT, Role.SECOND, Role.ACCENT)
    return [
        Shape(box(-1, -0.8 + i * 0.42, 1, -0.56 + i * 0.42), role) for i, role in enumerate(roles)
    ]


def _flower() -> list[Shape]:
    petals = [
        ellipse(0.5 * np.cos(a), -0.2 + 0.5 * np.sin(a), 0.34) for a in np.arange(6) * np.pi / 3
    ]
    return [
        *_plain(band([(0, 0), (0.05, 1)], 0.09), *petals),
        *_plain(ellipse(0, -0.2, 0.26), role=Role.ACCENT),
    ]


def _skyline() -> list[Shape]:
    towers = [
        (-1, 0.1),
        (-0.7, -0.5),
        (-0.42, -0.1),
        (-0.15, -0.9),
        (0.15, -0.3),
        (0.45, -0.65),
        (0.75, 0.0),
    ]
    return [
        *_plain(*(box(x, y, x + 0.22, 0.75) for x, y in towers)),
        *_plain(box(-1, 0.82, 1, 0.92), role=Role.ACCENT),
    ]


def _word(word: str) -> list[Shape]:
    return _plain(*write(word, -1, -0.3, 1, 0.3))


def _number(number: str) -> list[Shape]:
    return _plain(*write(number, -0.8, -0.9, 0.8, 0.9, 0.7))


def _slogan(word: str) -> list[Shape]:
    lines = [
        *_plain(box(-1, -0.62, 1, -0.52), role=Role.ACCENT),
        *_plain(box(-1, 0.52, 1, 0.62), role=Role.ACCENT),
    ]
    return [*lines, *_word(word)]


PRINTS: dict[str, Callable[[], list[Shape]]] = {
    "mountain": _mountain, "badge": _badge, "smile": _smile, "palm": _palm, "waves": _waves,
    "bolt": _bolt, "rings": _rings, "triangles": _triangles, "cat": _cat, "bars": _bars,
    "flower": _flower, "skyline": _skyline, "star": partial(_plain, star()),
    "heart": partial(_plain, heart()), "leaf": partial(_plain, leaf()),
    **{word: partial(_word, word) for word in WORDS[:5]},
    **{word: partial(_slogan, word) for word in WORDS[5:]},
    **{number: partial(_number, number) for number in NUMBERS},
}  # fmt: skip
