"""Segments hold the pairs they are named for."""

import numpy as np
import pandas as pd
import pytest

from ml.data.annotations import build_annotations
from ml.evaluate.segments import BANDS, colour_distance, mean_colours, segments


def test_mean_colours_are_those_of_the_product_in_lab() -> None:
    pictures = np.full((3, 8, 8, 3), 255, np.uint8)
    masks = np.zeros((3, 8, 8), np.uint8)
    masks[:2, 2:6, 2:6] = 255
    pictures[0, 2:6, 2:6] = (255, 0, 0)
    pictures[1, 2:6, 2:6] = 0
    red, black, unmasked = mean_colours(pictures, masks)
    assert red == pytest.approx([54.3, 80.8, 69.9], abs=0.5)  # sRGB red under D50
    assert black == pytest.approx([0, 0, 0], abs=0.5)
    # Where no product was found, the whole picture counts.
    assert unmasked == pytest.approx([100, 0, 0], abs=0.5)


def test_a_segment_holds_its_article_type_its_gender_or_its_third_of_the_colour_distances() -> None:
    # Two blocks of three designs in two colours each, whose distance grows from design to design.
    products = pd.DataFrame(
        [
            {
                "product_id": f"{kind}{design}{colour}",
                "brand": "b",
                "gender": gender,
                "article_type": kind,
            }
            for kind, gender in (("Shirts", "Men"), ("Tops", "Women"))
            for design in range(3)
            for colour in range(2)
        ]
    )
    ids = products["product_id"].to_numpy()
    positives = pd.DataFrame({"left": ids[::2], "right": ids[1::2], "color_variants": 1})
    annotations = build_annotations(products, positives)
    light = np.array(
        [
            200 - (design + 1) * 40 * colour
            for _ in range(2)
            for design in range(3)
            for colour in range(2)
        ]
    )
    pictures = np.broadcast_to(light[:, None, None, None], (12, 4, 4, 3)).astype(np.uint8)
    masks = np.full((12, 4, 4), 255, np.uint8)
    found = dict(segments(products, annotations, pictures, masks))
    pairs = annotations.block_pairs
    shirts = found["article type Shirts"]
    assert shirts.sum() == len(pairs) / 2
    assert set(products["article_type"].to_numpy()[pairs.left[shirts]]) == {"Shirts"}
    np.testing.assert_array_equal(found["gender Men"], shirts)
    distance = colour_distance(mean_colours(pictures, masks), pairs.left, pairs.right)
    bands = [distance[found[f"{band} colours"] & pairs.label] for band in BANDS]
    assert [len(band) for band in bands] == [2, 2, 2]
    assert bands[0].max() < bands[1].min() <= bands[1].max() < bands[2].min()
    for band in BANDS:
        assert found[f"{band} colours"][~pairs.label].all()
