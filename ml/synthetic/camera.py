"""How a product lies before the camera, and where its points come to lie in the picture."""

from dataclasses import dataclass

import numpy as np

from ml.synthetic.drawing import Drawing
from ml.synthetic.geometry import Points

FILL = 0.79  # of the picture's side, before jitter: the product's longer side


@dataclass(frozen=True)
class Pose:
    """How one product lies before the camera.

    Attributes:
        angle: degrees, clockwise.
        scale: 1 is neutral.
        shift: to the right and down, in shares of the picture's side.
        limb: −1 … 1, where arms, legs, straps hang.
        bend: a wave across (amplitude, phase) and one along (amplitude, phase), in garment units
            and radians.
        cut: where a repeating pattern begins on this piece, in garment units.
    """

    angle: float
    scale: float
    shift: tuple[float, float]
    limb: float
    bend: tuple[float, float, float, float]
    cut: tuple[float, float]


NEUTRAL = Pose(0.0, 1.0, (0.0, 0.0), 0.0, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0))


def draw_pose(random: np.random.Generator) -> Pose:
    """A pose by chance: ±5°, ±8 %, ±4 % of the side; cloth bends by at most 2 % of a unit."""
    angle, scale = random.uniform(-5, 5), random.uniform(0.92, 1.08)
    right, down = random.uniform(-0.04, 0.04, 2)
    across, along = random.uniform(0, 0.02, 2)
    first, second = random.uniform(0, 2 * np.pi, 2)
    x, y = random.uniform(-0.1, 0.1, 2)
    return Pose(
        angle, scale, (right, down), random.uniform(-1, 1), (across, first, along, second), (x, y)
    )


class Camera:
    """Takes points of a drawing to pixels and back.

    Args:
        drawing: is centred, and its longer side fills `FILL` of the picture.
        size: the picture's side in pixels.
    """

    def __init__(self, drawing: Drawing, pose: Pose, size: int) -> None:
        low, high = drawing.bounds()
        angle = np.radians(pose.angle)
        self.turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self.centre, self.bend, self.size = (low + high) / 2, pose.bend, size
        self.zoom = FILL * pose.scale * size / (high - low).max()
        self.shift = np.array(pose.shift) * size + size / 2

    def project(self, points: Points) -> Points:
        """Drawing → pixels, (n, 2) → (n, 2); the cloth bends a little on the way."""
        across, first, down, second = self.bend
        x, y = points.T
        wave = np.stack([across * np.sin(2.3 * y + first), down * np.sin(2.1 * x + second)], axis=1)
        return ((points + wave - self.centre) @ self.turn) * self.zoom + self.shift

    def cloth(self) -> tuple[np.ndarray, np.ndarray]:
        """The drawing's coordinates x, y at every pixel: two float32 (size, size); without the bend."""
        columns, rows = (np.arange(self.size) - shift for shift in self.shift)
        back = (self.turn / self.zoom).astype(np.float32)
        columns, rows = columns[None].astype(np.float32), rows[:, None].astype(np.float32)
        return back[0, 0] * columns + back[0, 1] * rows, back[1, 0] * columns + back[1, 1] * rows
