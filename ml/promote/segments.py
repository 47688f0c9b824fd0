"""Parts of the test pairs that a model may not get worse on unnoticed: article types, genders, and how far colourways differ."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from PIL import Image, ImageCms

from ml.data.annotations import Annotations

BANDS = (
    "near",
    "middle",
    "far",
)  # thirds of the pairs of variants, by the distance of their colours


def segments(
    products: pd.DataFrame, annotations: Annotations, pictures: np.ndarray, masks: np.ndarray
) -> Iterator[tuple[str, np.ndarray]]:
    """Names and members of all segments.

    Args:
        products: gender and article_type of the annotated products, in the order of `annotations.indices`.
        pictures, masks: of these products, see `mean_colours`.

    Yields:
        A name such as "article type Shirts", and bool (block pairs,): which of `annotations.block_pairs`
        are in it. A band of colour distances holds its pairs of variants and all pairs of other
        designs, since what these look like is no matter of colour.
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
    """The mean colour of each product, in CIE L*a*b*.

    Args:
        pictures: uint8 (products, height, width, 3), sRGB; masks: uint8 (products, height, width),
            above 0 on the product; a product without any such pixel is taken whole.

    Returns:
        float (products, 3): L* in 0 … 100, a* and b*.
    """
    shown = (masks > 0) | ~(masks > 0).any(axis=(1, 2), keepdims=True)
    means = np.stack(
        [picture[inside].mean(axis=0) for picture, inside in zip(pictures, shown, strict=True)]
    )
    row = Image.fromarray(means.round().astype(np.uint8)[None])
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )
    lab = np.asarray(ImageCms.applyTransform(row, to_lab))[0].astype(float)
    signed = np.where(
        lab[:, 1:] > 127, lab[:, 1:] - 256, lab[:, 1:]
    )  # Pillow keeps a* and b* as signed bytes
    return np.column_stack([lab[:, 0] / 255 * 100, signed])


def colour_distance(colours: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """CIE76 distance of the products' mean colours: float (pairs,); about 2 is just noticeable."""
    return np.asarray(np.linalg.norm(colours[left] - colours[right], axis=1))
