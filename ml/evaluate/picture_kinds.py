"""Kinds of pictures and of pairs, by statistics of crops and masks: no labels, no network.

They are rough, and serve to say among which pictures mistakes gather. Their limits were set by eye,
on 800 photos of train and dev brands.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

GRID = 64  # cells a side, to which crops are reduced: a stripe of 3 pixels of 192 is one cell
BLUR = 6  # cells: what changes more slowly is shading, not a pattern
MIDDLE = slice(24, 40), slice(20, 44)  # rows and columns: the chest of a person, the front of a bag
PATTERNED = 0.06  # standard deviation of texture in the middle, from which it has a pattern
STRIPED = 0.65  # share of that variance which the means of rows and columns explain
SWAPPED = -0.2  # correlation of two textures, below which light and dark have changed places
HEAD = 0.08  # of the silhouette's height, from the top down
NARROW, SOLID, OFF = 0.5, 0.7, 0.15  # a head's width, filling and distance from the middle, at most


@dataclass(frozen=True)
class PictureKinds:
    """What can be told of each picture.

    Attributes:
        texture: float (products, GRID, GRID), luminance in 0 … 1 less its blurred self; 0 outside.
        inside: bool (products, GRID, GRID), cells that lie on the product.
        stripes: bool (products,): the middle has a pattern of rows, columns or both (checks).
        prints: bool (products,): the middle has another pattern.
        heads: bool (products,): the silhouette begins with a head, so a person wears the product.
    """

    texture: np.ndarray
    inside: np.ndarray
    stripes: np.ndarray
    prints: np.ndarray
    heads: np.ndarray


def picture_kinds(pictures: np.ndarray, masks: np.ndarray) -> PictureKinds:
    """Computes the kinds of pictures.

    Args:
        pictures: uint8 (products, side, side, 3).
        masks: uint8 (products, side, side), above 0 on the product.
    """
    textures, insides = np.zeros((2, len(pictures), GRID, GRID))
    stripes, prints, heads = np.zeros((3, len(pictures)), bool)
    for place, (picture, mask) in enumerate(zip(pictures, masks, strict=True)):
        texture, inside = _texture(picture, mask > 0)
        textures[place], insides[place] = texture, inside
        shown = inside[MIDDLE]
        variance = texture[MIDDLE][shown].var() if shown.any() else 0.0
        if variance >= PATTERNED**2:
            middle = np.where(shown, texture[MIDDLE] - texture[MIDDLE][shown].mean(), 0)
            explained = _explained(middle, shown, 0) + _explained(middle, shown, 1)
            stripes[place] = explained >= STRIPED * variance
            prints[place] = not stripes[place]
        heads[place] = _has_head(mask > 0)
    return PictureKinds(textures, insides > 0, stripes, prints, heads)


def pair_kinds(kinds: PictureKinds, left: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Returns which pairs are of which kind; a pair may be of several.

    Args:
        left, right: int (pairs,), positions of the two products of each pair.

    Returns:
        Name of the kind → bool (pairs,).
    """
    either = {
        name: values[left] | values[right]
        for name, values in (
            ("print or relief", kinds.prints),
            ("stripes or checks", kinds.stripes),
        )
    }
    both = kinds.inside[left] & kinds.inside[right]
    heads = kinds.heads[left].astype(int) + kinds.heads[right]
    return {
        "plain": ~(either["print or relief"] | either["stripes or checks"]),
        **either,
        "light and dark swapped": _correlation(kinds.texture, both, left, right) < SWAPPED,
        "both worn, with a head": heads == 2,
        "one worn, one not": heads == 1,
        "flat, or without a head": heads == 0,
    }


def _texture(picture: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gray = Image.fromarray(picture).convert("L").resize((GRID, GRID), Image.Resampling.BOX)
    covered = Image.fromarray(mask).convert("L").resize((GRID, GRID), Image.Resampling.BOX)
    inside = ndimage.binary_erosion(np.asarray(covered) >= 250)  # its outline is no pattern
    if not inside.any():
        inside = np.ones_like(inside)
    weight, light = inside.astype(float), np.asarray(gray) / 255
    blurred = ndimage.gaussian_filter(light * weight, BLUR)
    blurred /= np.maximum(ndimage.gaussian_filter(weight, BLUR), 1e-6)
    return np.where(inside, light - blurred, 0), inside


def _explained(texture: np.ndarray, inside: np.ndarray, axis: int) -> float:
    """Returns the variance of the means along an axis."""
    counts = inside.sum(axis=axis)
    means = texture.sum(axis=axis) / np.maximum(counts, 1)
    return float((means**2 * counts).sum() / counts.sum())


def _has_head(mask: np.ndarray) -> bool:
    """Returns whether a silhouette begins narrow and solid above its middle."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return False
    top, width = rows[0], columns[-1] + 1 - columns[0]
    lines = [
        np.flatnonzero(line)
        for line in mask[top : top + max(1, round(HEAD * (rows[-1] + 1 - top)))]
        if line.any()
    ]
    widths = [line[-1] + 1 - line[0] for line in lines]
    off = abs(np.concatenate(lines).mean() - (columns[0] + columns[-1]) / 2)
    solid = sum(map(len, lines)) >= SOLID * sum(widths)
    return bool(max(widths) <= NARROW * width and solid and off <= OFF * width)


def _correlation(
    texture: np.ndarray, both: np.ndarray, left: np.ndarray, right: np.ndarray
) -> np.ndarray:
    """Returns the correlation of two textures where both pictures show the product: (pairs,)."""
    found = np.zeros(len(left))
    for pair, (one, other) in enumerate(zip(left, right, strict=True)):
        first, second = (texture[place][both[pair]] for place in (one, other))
        spread = first.std() * second.std() if len(first) else 0
        if spread > 0:
            found[pair] = ((first - first.mean()) * (second - second.mean())).mean() / spread
    return found
