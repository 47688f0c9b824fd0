"""The pose of a product before the camera, and the projection of its points into the picture."""

from dataclasses import dataclass

import numpy as np

from ml.synthetic.drawing import Drawing
from ml.synthetic.geometry import Points

FILL = 0.79  # share of the picture's side that the product's longer side fills, before jitter


@dataclass(frozen=True)
class Pose:
    """The pose of one product before the camera.

    Attributes:
        angle: rotation in degrees, clockwise.
        scale: magnification; 1 is neutral.
        shift: shift to the right and down, in shares of the picture's side.
        limb: −1 … 1, the position of arms, legs or straps.
        bend: amplitude and phase of a wave across, then of a wave along the product; amplitudes are
            in garment units, phases in radians.
        cut: offset (x, y) of a repeating pattern on this piece, in garment units.
    """

    angle: float
    scale: float
    shift: tuple[float, float]
    limb: float
    bend: tuple[float, float, float, float]
    cut: tuple[float, float]


NEUTRAL = Pose(0.0, 1.0, (0.0, 0.0), 0.0, (0.0, 0.0, 0.0, 0.0), (0.0, 0.0))


def draw_pose(random: np.random.Generator) -> Pose:
    """Draws a random pose: ±5°, scale ±8 %, shift ±4 % of the side, bends of up to 0.02 units."""
    angle, scale = random.uniform(-5, 5), random.uniform(0.92, 1.08)
    right, down = random.uniform(-0.04, 0.04, 2)
    across, along = random.uniform(0, 0.02, 2)
    first, second = random.uniform(0, 2 * np.pi, 2)
    x, y = random.uniform(-0.1, 0.1, 2)
    return Pose(
        angle, scale, (right, down), random.uniform(-1, 1), (across, first, along, second), (x, y)
    )


class Camera:
    """Projects points of a drawing to pixels and back.

    Args:
        drawing: the drawing; it is centred, and its longer side fills `FILL` of the picture.
        pose: the pose of the product.
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
        """Projects points of the drawing, (n, 2), to pixels, (n, 2), with the bend of the cloth."""
        across, first, down, second = self.bend
        x, y = points.T
        wave = np.stack([across * np.sin(2.3 * y + first), down * np.sin(2.1 * x + second)], axis=1)
        return ((points + wave - self.centre) @ self.turn) * self.zoom + self.shift

    def cloth(self) -> tuple[np.ndarray, np.ndarray]:
        """The drawing's x and y at every pixel, without the bend; float32 (size, size) each."""
        columns, rows = (np.arange(self.size) - shift for shift in self.shift)
        back = (self.turn / self.zoom).astype(np.float32)
        columns, rows = columns[None].astype(np.float32), rows[:, None].astype(np.float32)
        return back[0, 0] * columns + back[0, 1] * rows, back[1, 0] * columns + back[1, 1] * rows
