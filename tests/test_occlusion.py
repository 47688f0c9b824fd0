"""What is marked as matching is what makes the model find two pictures alike."""

import io

import numpy as np
from PIL import Image

from ml.catalogue.occlusion import GRID, blurred, cells, parts

SIDE, CELL = 120, 20


def board(seed: int, place: int) -> np.ndarray:
    """A gray picture with fine noise in one cell."""
    picture = np.full((SIDE, SIDE, 3), 128, np.uint8)
    row, column = divmod(place, GRID)
    noise = np.random.default_rng(seed).integers(0, 255, (CELL, CELL, 1), dtype=np.uint8)
    picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = noise
    return picture


def detail(content: bytes) -> np.ndarray:
    """An embedding of how much detail each cell has, of length 1."""
    picture = np.asarray(Image.open(io.BytesIO(content)), np.float32)[..., 0]
    found = picture.reshape(GRID, CELL, GRID, CELL).std(axis=(1, 3)).ravel() + 1
    return found / np.linalg.norm(found)


def test_the_part_that_both_have_matches_and_the_one_of_one_only_differs() -> None:
    shared, own = board(0, 8), board(1, 27)
    left = np.where(own != 128, own, shared)
    target = io.BytesIO()
    Image.fromarray(shared).save(target, "PNG")
    mask = np.ones((SIDE, SIDE), bool)
    found = parts(left, (0, 0, SIDE, SIDE), mask, detail, detail(target.getvalue()))
    assert found.drop.argmax() == 8
    assert found.drop.argmin() == 27
    assert found.drop[8] > 0.1 > 0 > found.drop[27]
    mask[:CELL] = False
    found = parts(left, (0, 0, SIDE, SIDE), mask, detail, detail(target.getvalue()))
    assert np.isnan(found.drop[:GRID]).all()
    assert not np.isnan(found.drop[GRID:]).any()


def test_a_blur_stays_in_its_cell_and_cells_fill_the_box() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    boxes = cells((10, 5, 115, 90))
    assert len(boxes) == GRID**2
    assert (boxes[0][:2], boxes[-1][2:]) == ((10, 5), (115, 90))
    assert sum((right - left) * (low - top) for left, top, right, low in boxes) == 105 * 85
    changed = (blurred(picture, [boxes[14]]) != picture).any(axis=2)
    left, top, right, bottom = boxes[14]
    assert changed[top:bottom, left:right].mean() > 0.9
    far = np.ones_like(changed)
    far[top - CELL : bottom + CELL, left - CELL : right + CELL] = False
    assert not changed[far].any()
