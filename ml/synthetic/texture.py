"""The surface of cloth: a relief over the coordinates of the garment."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Relief = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Texture:
    """A material.

    Attributes:
        relief: the function from x and y in garment units, float32 arrays of one shape, to the
            height of the weave.
        folds: strength of its folds.
        gloss: how strongly its brightness changes with the slope.
    """

    relief: Relief
    folds: float
    gloss: float


def _weave(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.10 * np.sin(x * 170) * np.sin(y * 163)


def _knit(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.34 * np.sin(x * 120 + 0.9 * np.sin(y * 150))


def _twill(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.09 * np.sin((x + y) * 150)


def _leather(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.22 * np.sin(x * 61 + 2 * np.sin(y * 47)) * np.sin(y * 67 + 2 * np.sin(x * 53))


def _canvas(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return 0.07 * (np.sin(x * 140) + np.sin(y * 140))


TEXTURES = {
    "jersey": Texture(_weave, 1.5, 0.46),
    "poplin": Texture(_weave, 1.9, 0.44),
    "knit": Texture(_knit, 1.3, 0.44),
    "twill": Texture(_twill, 1.5, 0.42),
    "leather": Texture(_leather, 0.8, 0.6),
    "suede": Texture(_weave, 0.7, 0.28),
    "canvas": Texture(_canvas, 1.0, 0.42),
}
