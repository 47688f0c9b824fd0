"""Segments of the test pairs: article types, genders, and bands of colour distance.

A challenger must not be provably worse than the champion on any of them.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image, ImageCms

from ml.data.annotations import Annotations

BANDS = ("near", "middle", "far")  # thirds of the pairs of variants, by colour distance


def segments(
    products: pd.DataFrame, annotations: Annotations, pictures: np.ndarray, masks: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name and the pairs of each segment.

    Args:
        products: gender and article_type of the annotated products, in the order of
            `annotations.indices`.
        annotations: of the test split.
        pictures, masks: of these products, see `mean_colours`.

    Yields:
        A name such as "article type Shirts", and bool (block pairs,): which of
        `annotations.block_pairs` are in the segment. A band of colour distance holds its own pairs
        of variants and all pairs of different designs, because those differ in more than colour.
    """
    pairs = annotations.block_pairs
    for column, words in (("article_type", "article type"), ("gender", "gender")):
        values = products[column].to_numpy()[pairs.left]  # of the block, so the same at both ends
        for value in sorted(set(values)):
            yield f"{words} {value}", values == value
    distance = colour_distance(mean_colours(pictures, masks), pairs.left, pairs.right)
    band = np.searchsorted(np.quantile(distance[pairs.label], [1 / 3, 2 / 3]), distance)
    for place, name in enumerate(BANDS):
        yield f"{name} colours", ~pairs.label | (band == place)


def mean_colours(pictures: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Computes the mean colour of each product, in CIE L*a*b*.

    Args:
        pictures: uint8 (products, height, width, 3), sRGB.
        masks: uint8 (products, height, width), above 0 on the product. If a mask has no such pixel,
            the mean is over the whole picture.

    Returns:
        float (products, 3): L* in 0 … 100, a* and b* in −128 … 127.
    """
    shown = (masks > 0) | ~(masks > 0).any(axis=(1, 2), keepdims=True)
    means = np.stack(
        [picture[inside].mean(axis=0) for picture, inside in zip(pictures, shown, strict=True)]
    )
    colours = Image.fromarray(means.round().astype(np.uint8)[None])  # a pixel for each product
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = np.asarray(ImageCms.applyTransform(colours, to_lab))[0].astype(float)
    # Pillow keeps a* and b* as signed bytes.
    signed = np.where(lab[:, 1:] > 127, lab[:, 1:] - 256, lab[:, 1:])
    return np.column_stack([lab[:, 0] / 255 * 100, signed])


def colour_distance(colours: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Computes the CIE76 distance of mean colours: float (pairs,); about 2 is just noticeable.

    Args:
        colours: float (products, 3), see `mean_colours`.
        left, right: int (pairs,), positions of the two products of each pair.
    """
    return np.asarray(np.linalg.norm(colours[left] - colours[right], axis=1))
