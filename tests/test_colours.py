"""Colours are measured as the literature says, and product pixels decide."""

import numpy as np
import pytest

from ml.catalogue.colours import delta_e, lab, product_colour

# Pairs of the test data of Sharma, Wu and Dalal (2005): L, a, b twice, and their ΔE00.
SHARMA = [
    (50, 2.6772, -79.7751, 50, 0, -82.7485, 2.0425),
    (50, -1.3802, -84.2814, 50, 0, -82.7485, 1.0),
    (50, 0, 0, 50, -1, 2, 2.3669),
    (50, 2.49, -0.001, 50, -2.49, 0.0009, 7.1792),
    (50, 2.49, -0.001, 50, -2.49, 0.0011, 7.2195),
    (50, -0.001, 2.49, 50, 0.0009, -2.49, 4.8045),
    (50, 2.5, 0, 50, 0, -2.5, 4.3065),
    (50, 2.5, 0, 73, 25, -18, 27.1492),
    (50, 2.5, 0, 56, -27, -3, 31.9030),
    (60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644),
    (22.7233, 20.0904, -46.694, 23.0331, 14.973, -42.5619, 2.0373),
    (90.8027, -2.0831, 1.441, 91.1528, -1.6435, 0.0447, 1.4441),
    (2.0776, 0.0795, -1.135, 0.9033, -0.0636, -0.5514, 0.9082),
]


def test_differences_are_those_of_the_published_test_data() -> None:
    data = np.array(SHARMA)
    one, other, wanted = data[:, :3], data[:, 3:6], data[:, 6]
    assert delta_e(one, other) == pytest.approx(wanted, abs=6e-5)
    assert delta_e(other, one) == pytest.approx(wanted, abs=6e-5)


def test_cielab_of_primaries_is_as_published() -> None:
    rgb = np.array([[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)
    wanted = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]]
    assert lab(rgb) == pytest.approx(np.array(wanted), abs=0.02)


def picture(**parts: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """A white picture with a product of equal bands, and the product's mask."""
    made = np.full((40, 40, 3), 255, np.uint8)
    for number, colour in enumerate(parts.values()):
        made[10:30, 10 + 5 * number : 15 + 5 * number] = colour
    return made, (made != 255).any(axis=2)


def test_the_colour_is_that_of_most_of_the_product_and_not_of_background_or_skin() -> None:
    skin = {"arm": (224, 172, 140), "hand": (220, 170, 138)}
    found = product_colour(*picture(a=(20, 40, 160), b=(22, 44, 168), c=(200, 20, 20)))
    assert found is not None
    assert np.abs(found.astype(int) - (21, 42, 164)).max() <= 3
    worn = product_colour(*picture(**skin, shirt=(20, 40, 160)))
    assert worn is not None
    assert np.abs(worn.astype(int) - (20, 40, 160)).max() <= 3
    tan = product_colour(*picture(**skin))
    assert tan is not None
    assert tan[0] > 210


def test_hardly_any_pixels_have_no_colour() -> None:
    made, mask = picture(a=(20, 40, 160))
    mask[:] = False
    mask[12:14, 12:14] = True
    assert product_colour(made, mask) is None
