"""What a product is drawn from: parts in roles, seams and folds, all without colour."""

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np

from ml.synthetic.geometry import Chain, Points


class Role(IntEnum):
    """What a colourway gives a colour to."""

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
    """A filled polygon of a pattern: points (n, 2) in the frame of the part that it lies on."""

    points: Points
    role: Role


@dataclass(frozen=True)
class Part:
    """A piece of the product.

    Attributes:
        outline: closed polygon (n, 2).
        role: its colour, or the ground colour of its pattern.
        patterned: whether the design's pattern covers it.
        lift: how far it lies above the background, in layers of cloth: steps between parts catch
            light and shadow.
        turn, origin: the pattern's frame on this part: rotated by degrees, then moved there.
            Stripes go around sleeves.
        edge: how dark its outline is sewn, 0 … 1.
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
    """A product, back to front.

    Attributes:
        parts: in the order of painting.
        seams: (after, chain, strength, width): painted once `after` parts lie there; strength −1 …
            1, negative lines catch light. Later parts cover them.
        folds: chains along which cloth tends to crease; pictures choose among them.
        texture: what the cloth is made of, a key of `texture.TEXTURES`.
        standing: whether it stands on the ground (shoes, bags) and throws a shadow there.
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
        """Lays a part on top."""
        self.parts.append(
            Part(np.asarray(outline, float), role, patterned, lift, turn, origin, edge)
        )

    def seam(self, chain: Chain, strength: float = 0.5, width: float = 0.012) -> None:
        """Sews a line on what lies there so far."""
        self.seams.append((len(self.parts), np.asarray(chain, float), strength, width))

    def fold(self, *chains: Chain) -> None:
        """Names places where the cloth creases."""
        self.folds.extend(np.asarray(chain, float) for chain in chains)

    def bounds(self) -> tuple[np.ndarray, np.ndarray]:
        """The smallest and the largest coordinates (2,) of all parts."""
        points = np.concatenate([part.outline for part in self.parts])
        return points.min(axis=0), points.max(axis=0)
