"""Rasterises a drawing without colour: the role, the height and the seam of each pixel."""

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from ml.synthetic.camera import Camera, Pose
from ml.synthetic.drawing import Drawing, Part, Role, Shape
from ml.synthetic.geometry import Points
from ml.synthetic.patterns import Pattern, shapes

LIFT = 40  # grey levels of a layer of cloth


class Layers(NamedTuple):
    """A drawing in pixels: three square 8-bit images.

    Attributes:
        roles: the `Role` of each pixel.
        lift: the height of each pixel; `LIFT` for each layer of cloth above the background.
        seams: 128 where there is no seam, less for a dark and more for a light one.
    """

    roles: Image.Image
    lift: Image.Image
    seams: Image.Image


def rasterise(drawing: Drawing, pattern: Pattern, pose: Pose, size: int) -> Layers:
    """Paints all parts from back to front.

    Args:
        drawing: the product.
        pattern: the pattern of the patterned parts.
        pose: the pose of the product.
        size: the side of the images in pixels.
    """
    camera, motifs = Camera(drawing, pose, size), shapes(pattern)
    cut = pose.cut if pattern.repeats else (0.0, 0.0)
    layers = Layers(
        Image.new("L", (size, size), 0),
        Image.new("L", (size, size), 0),
        Image.new("L", (size, size), 128),
    )
    roles, lift, seams = (ImageDraw.Draw(layer) for layer in layers)
    for number, part in enumerate(drawing.parts, start=1):
        outline = camera.project(part.outline)
        corners = outline.ravel().tolist()
        # A print on the chest is not on the sleeves as well.
        aside = part.turn != 0 and not pattern.repeats
        if part.patterned and motifs and not aside:
            _paint(layers.roles, outline, _moved(motifs, part, cut), camera, part.role)
        else:
            roles.polygon(corners, fill=int(part.role))
        lift.polygon(corners, fill=round(part.lift * LIFT))
        seams.polygon(corners, fill=128)
        width = max(1, round(0.008 * camera.zoom))
        seams.line([*corners, *corners[:2]], fill=round(128 - 90 * part.edge), width=width)
        for after, chain, strength, thick in drawing.seams:
            if after == number:
                line = camera.project(chain).ravel().tolist()
                seams.line(
                    line, fill=round(128 - 110 * strength), width=max(1, round(thick * camera.zoom))
                )
    return layers


def _moved(motifs: list[Shape], part: Part, cut: tuple[float, float]) -> list[Shape]:
    """The pattern's shapes on a part, in the drawing's coordinates.

    `cut` shifts them along the cloth.
    """
    angle = np.radians(part.turn)
    rotate = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return [Shape((shape.points + cut) @ rotate + part.origin, shape.role) for shape in motifs]


def _paint(
    roles: Image.Image, outline: Points, motifs: list[Shape], camera: Camera, ground: Role
) -> None:
    """Paints a part's pattern inside its outline."""
    low, high = (
        np.floor(outline.min(axis=0)).astype(int),
        np.ceil(outline.max(axis=0)).astype(int) + 1,
    )
    mask = Image.new("L", tuple((high - low).tolist()), 0)
    ImageDraw.Draw(mask).polygon((outline - low).ravel().tolist(), fill=255)
    cloth = Image.new("L", mask.size, int(ground))
    draw = ImageDraw.Draw(cloth)
    lengths = [len(shape.points) for shape in motifs]
    pixels = camera.project(np.concatenate([shape.points for shape in motifs])) - low
    for shape, points in zip(motifs, np.split(pixels, np.cumsum(lengths)[:-1]), strict=True):
        if (points.max(axis=0) > 0).all() and (points.min(axis=0) < high - low).all():
            draw.polygon(points.ravel().tolist(), fill=int(shape.role))
    roles.paste(cloth, tuple(low.tolist()), mask)
