"""The drawing of a product: parts in roles, seams and folds, all without colour."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ml.synthetic.geometry import Chain, Points


class Role(IntEnum):
    """The roles of a drawing; a colourway gives each role a colour."""

    BACKGROUND = 0
    BASE = 1
    SECOND = 2
    ACCENT = 3
    MIX = 4  # half way between base and second, where two stripes of a check cross
    TRIM = 5
    INSIDE = 6  # the lining that an opening shows
    HARDWARE = 7  # buttons, buckles, laces
    SOLE = 8


@dataclass(frozen=True)
class Shape:
    """A filled polygon of a pattern; points (n, 2) are in the frame of the part that it lies on."""

    points: Points
    role: Role


@dataclass(frozen=True)
class Part:
    """A piece of the product.

    Attributes:
        outline: closed polygon (n, 2).
        role: the role of its colour, or of the ground of its pattern.
        patterned: whether the design's pattern covers it.
        lift: its height above the background, in layers of cloth; steps between parts make light
            and shadow.
        turn, origin: the frame of the pattern on this part, which is rotated by `turn` degrees and
            then moved to `origin`, so that stripes go around sleeves.
        edge: darkness of its outline, 0 … 1.
    """

    outline: Points
    role: Role = Role.BASE
    patterned: bool = False
    lift: float = 1.0
    turn: float = 0.0
    origin: tuple[float, float] = (0.0, 0.0)
    edge: float = 0.5


@dataclass
class Drawing:
    """A product, drawn from back to front.

    Attributes:
        parts: the parts in the order of painting.
        seams: tuples (after, chain, strength, width). A seam is painted after the first `after`
            parts, and later parts cover it. The strength is −1 … 1, and a negative one is lighter
            than the cloth.
        folds: chains along which cloth may crease; each picture shows some of them.
        texture: the material, a key of `texture.TEXTURES`.
        standing: whether the product stands on the ground, as shoes and bags do, and has a shadow
            there.
    """

    parts: list[Part] = field(default_factory=list)
    seams: list[tuple[int, Points, float, float]] = field(default_factory=list)
    folds: list[Points] = field(default_factory=list)
    texture: str = "jersey"
    standing: bool = False

    def add(
        self,
        outline: Chain,
        role: Role = Role.BASE,
        patterned: bool = False,
        lift: float = 1.0,
        turn: float = 0.0,
        origin: tuple[float, float] = (0.0, 0.0),
        edge: float = 0.5,
    ) -> None:
        """Adds a part on top; the arguments are the attributes of `Part`."""
        self.parts.append(
            Part(np.asarray(outline, float), role, patterned, lift, turn, origin, edge)
        )

    def seam(self, chain: Chain, strength: float = 0.5, width: float = 0.012) -> None:
        """Adds a seam on the parts so far; `strength` −1 … 1, `width` in garment units."""
        self.seams.append((len(self.parts), np.asarray(chain, float), strength, width))

    def fold(self, *chains: Chain) -> None:
        """Adds chains along which the cloth may crease."""
        self.folds.extend(np.asarray(chain, float) for chain in chains)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest coordinates (2,) of all parts."""
        points = np.concatenate([part.outline for part in self.parts])
        return points.min(axis=0), points.max(axis=0)
