"""From a drawing to a shop's picture: light, folds, cloth, backdrop."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from ml.synthetic.camera import Camera, Pose
from ml.synthetic.drawing import Drawing
from ml.synthetic.patterns import Pattern
from ml.synthetic.raster import LIFT, rasterise
from ml.synthetic.texture import TEXTURES

SUPERSAMPLE = 3  # factor by which pictures are rasterised larger, then reduced
SHEEN = 26.0  # of 255: how much lighter even black cloth is where light falls on it


@dataclass(frozen=True)
class Look:
    """The look of a brand's photographs.

    Attributes:
        backdrop: RGB colour, 0 … 255.
        vignette: share of the light that is lost in the corners.
        light: angle of the light in degrees.
    """

    backdrop: tuple[float, float, float]
    vignette: float
    light: float


def photograph(
    drawing: Drawing,
    pattern: Pattern,
    colours: np.ndarray,
    pose: Pose,
    look: Look,
    random: np.random.Generator,
    size: int,
) -> np.ndarray:
    """Takes the picture of a product.

    Args:
        drawing: the product.
        pattern: the pattern of the patterned parts.
        colours: float (len(Role), 3) in 0 … 255.
        pose: the pose of the product.
        look: the look of the brand's photographs.
        random: the generator of folds, light and noise.
        size: the picture's side in pixels.

    Returns:
        uint8 (size, size, 3).
    """
    layers = rasterise(drawing, pattern, pose, size * SUPERSAMPLE)
    cover, lift, seams = (
        _shrink(layer)
        for layer in (layers.roles.point([0] + [255] * 255), layers.lift, layers.seams)
    )
    cover, lift, seams = cover / 255, lift / LIFT, seams / 128 - 1
    layers.roles.putpalette(np.clip(colours, 0, 255).round().astype(np.uint8).tobytes())
    product = _shrink(layers.roles.convert("RGB"))  # weighted by cover, as the background is black
    light = _light(drawing, Camera(drawing, pose, size), cover, lift, seams, look, random)[
        ..., None
    ]
    whole = cover[..., None]
    product = product * light + whole * np.minimum(light - 1, 0.5) * SHEEN
    product *= random.uniform(0.95, 1.05) * random.uniform(0.985, 1.015, 3).astype(np.float32)
    picture = product + (1 - whole) * _backdrop(drawing, cover, look)
    picture += random.normal(0, 1.2, (size, size, 1)).astype(np.float32)
    return np.clip(picture, 0, 255).round().astype(np.uint8)


def _shrink(layer: Image.Image) -> np.ndarray:
    return np.asarray(layer.reduce(SUPERSAMPLE), np.float32)


def _light(
    drawing: Drawing,
    camera: Camera,
    cover: np.ndarray,
    lift: np.ndarray,
    seams: np.ndarray,
    look: Look,
    random: np.random.Generator,
) -> np.ndarray:
    """The light that each pixel reflects, about 1; float32 (size, size).

    The product is a relief that is lit from one side.
    """
    texture = TEXTURES[drawing.texture]
    relief = 9 * _soft(cover, 5) + 5 * _soft(cover, 14)  # cloth bulges over a body
    relief += 0.9 * ndimage.gaussian_filter(lift, 0.8) + texture.folds * _folds(
        drawing, camera, random
    )
    relief += texture.relief(*camera.cloth()) * cover
    towards = np.radians(look.light + random.uniform(-25, 25))
    slope = ndimage.sobel(relief, axis=1) * np.cos(towards) + ndimage.sobel(
        relief, axis=0
    ) * np.sin(towards)
    light = 1 - texture.gloss * np.tanh(slope / 16) + 0.26 * seams
    hollow = _soft(lift, 3) - lift  # positive under an edge, which throws a shadow
    light -= 0.13 * np.clip(hollow, 0, 1) * (cover > 0.5)
    tilt = np.linspace(-1, 1, len(cover), dtype=np.float32)
    light += 0.05 * (random.uniform(-1, 1) * tilt[None] + random.uniform(-1, 1) * tilt[:, None])
    return np.clip(light, 0.35, 1.4)


def _soft(image: np.ndarray, radius: float) -> np.ndarray:
    """A Gaussian blur, computed at half or a quarter of the size; float32 of the same shape."""
    small = 4 if radius > 4 else 2
    reduced = np.asarray(Image.fromarray(image).reduce(small))
    blurred = ndimage.gaussian_filter(reduced, radius / small, truncate=3.0)
    return np.asarray(Image.fromarray(blurred).resize(image.shape[::-1], Image.Resampling.BICUBIC))


def _folds(drawing: Drawing, camera: Camera, random: np.random.Generator) -> np.ndarray:
    """The relief of some of the drawing's folds and of soft unevenness; float32 (size, size)."""
    half = camera.size // 2
    image = Image.new("L", (half, half), 0)
    draw = ImageDraw.Draw(image)
    for chain in drawing.folds:
        if random.random() < 0.65:
            moved = chain + random.normal(0, 0.04, 2) + random.normal(0, 0.012, chain.shape)
            line = (camera.project(moved) / 2).ravel().tolist()
            draw.line(
                line,
                fill=int(random.integers(60, 255)),
                width=int(random.integers(1, 5)),
                joint="curve",
            )
    creases = ndimage.gaussian_filter(np.asarray(image, np.float32) / 255, 1.6)
    uneven = np.zeros((half, half), np.float32)
    # Cloth hangs, so it changes faster across than downwards.
    for cells, strength in (((7, 9), 2.2), ((13, 22), 0.9)):
        coarse = Image.fromarray(random.normal(0, strength, cells).astype(np.float32))
        uneven += np.asarray(coarse.resize((half, half), Image.Resampling.BICUBIC))
    relief = Image.fromarray(5.0 * creases + uneven)
    return np.asarray(relief.resize((camera.size, camera.size), Image.Resampling.BICUBIC))


def _backdrop(drawing: Drawing, cover: np.ndarray, look: Look) -> np.ndarray:
    """The backdrop with the product's shadow; float32 (size, size, 3)."""
    size = len(cover)
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    far = axis[None] ** 2 + axis[:, None] ** 2
    dark = look.vignette * far / 2
    drop = round(size * 0.012)
    dark = dark + 0.10 * np.roll(_soft(cover, 3.5), (drop, drop // 2), (0, 1))
    if drawing.standing:
        rows, columns = (
            np.flatnonzero(cover.max(axis=1) > 0.5),
            np.flatnonzero(cover.max(axis=0) > 0.5),
        )
        middle, wide = (columns[0] + columns[-1]) / 2, max(8, (columns[-1] - columns[0]) / 2)
        x, y = (np.arange(size) - middle) / wide, (np.arange(size) - rows[-1]) / (0.035 * size)
        dark = dark + 0.28 * np.exp(-(np.abs(x[None]) ** 4) - y[:, None] ** 2).astype(np.float32)
    return np.asarray(look.backdrop, np.float32) * (1 - np.clip(dark, 0, 0.6))[..., None]
