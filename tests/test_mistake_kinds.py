"""Mistakes are counted by kinds of pairs, which crops and masks tell."""

import numpy as np
import pandas as pd
import pytest

from ml.data.annotations import build_annotations
from ml.evaluate.mistake_kinds import mistake_kinds
from ml.evaluate.picture_kinds import pair_kinds, picture_kinds

SIDE = 96
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE]
BODY = (abs(COLUMNS - SIDE / 2) < 36) & (ROWS > 20) & (ROWS < 90)
HEADED = BODY | ((abs(COLUMNS - SIDE / 2) < 9) & (ROWS > 4) & (ROWS <= 20))
PATTERNS = {
    "plain": np.zeros((SIDE, SIDE)),
    "shaded": (COLUMNS - SIDE / 2) / SIDE * 60,
    "rows": 40.0 * (ROWS // 6 % 2),
    "columns": 40.0 * (COLUMNS // 6 % 2),
    "checks": 30.0 * (ROWS // 6 % 2) + 30 * (COLUMNS // 6 % 2),
    "print": 60.0 * (np.hypot(ROWS - 48, COLUMNS - 48) < 9),
    "other print": -60.0 * (np.hypot(ROWS - 48, COLUMNS - 48) < 9),
}


def drawn(pattern: str, mask: np.ndarray = BODY) -> tuple[np.ndarray, np.ndarray]:
    """A picture on white with a pattern on its product, and the product's mask."""
    light = np.where(mask, 120 + PATTERNS[pattern], 255)
    return np.repeat(light[..., None], 3, axis=2).astype(np.uint8), mask.astype(np.uint8) * 255


@pytest.mark.parametrize(
    ("pattern", "stripes", "prints"),
    [
        ("plain", False, False),
        ("shaded", False, False),
        ("rows", True, False),
        ("columns", True, False),
        ("checks", True, False),
        ("print", False, True),
    ],
)
def test_a_pattern_in_the_middle_is_stripes_or_a_print_and_shading_is_none(
    pattern: str, stripes: bool, prints: bool
) -> None:
    picture, mask = drawn(pattern)
    found = picture_kinds(picture[None], mask[None])
    assert (found.stripes.tolist(), found.prints.tolist()) == ([stripes], [prints])


def test_a_narrow_top_above_the_middle_is_a_head() -> None:
    aside = np.roll(HEADED & ~BODY, 25, axis=1) | BODY
    drawings = [drawn("plain", mask) for mask in (BODY, HEADED, aside, BODY & False)]
    found = picture_kinds(*(np.stack(part) for part in zip(*drawings, strict=True)))
    assert found.heads.tolist() == [False, True, False, False]


def test_a_pair_is_of_the_kinds_of_its_products() -> None:
    drawings = [
        drawn("print", HEADED),
        drawn("other print", HEADED),
        drawn("rows"),
        drawn("plain"),
        drawn("plain"),
    ]
    kinds = picture_kinds(*(np.stack(part) for part in zip(*drawings, strict=True)))
    left, right = np.array([0, 0, 2, 3]), np.array([1, 3, 3, 4])
    found = {name: one.tolist() for name, one in pair_kinds(kinds, left, right).items()}
    assert found == {
        "plain": [False, False, False, True],
        "print or relief": [True, True, False, False],
        "stripes or checks": [False, False, True, False],
        "light and dark swapped": [True, False, False, False],
        "both worn, with a head": [True, False, False, False],
        "one worn, one not": [False, True, False, False],
        "flat, or without a head": [False, False, True, True],
    }


def test_false_positives_and_misses_are_counted_by_kind() -> None:
    ids = ["a", "b", "c", "d"]
    products = pd.DataFrame({"product_id": ids}).assign(brand="x", gender="y", article_type="z")
    pairs = pd.DataFrame(
        [("a", "b", 1), ("c", "d", 1)], columns=["left", "right", "color_variants"]
    )
    annotations = build_annotations(products, pairs)
    drawings = [drawn(one) for one in ("print", "other print", "plain", "plain")]
    crops, masks = (np.stack(part) for part in zip(*drawings, strict=True))
    block = annotations.block_pairs
    names = [ids[one] + ids[other] for one, other in zip(block.left, block.right, strict=True)]
    # The variants with swapped tones are missed, and one print is taken for a plain product.
    similarity = np.array([{"ab": 0.1, "cd": 0.9, "ac": 0.8}.get(name, 0.2) for name in names])
    found = mistake_kinds(annotations, crops, masks, similarity, threshold=0.5)
    assert [tuple(found[kind].values()) for kind in ("all", "plain", "print or relief")] == [
        (4, 1, 2, 1),
        (0, 0, 1, 0),
        (4, 1, 1, 1),
    ]
    assert tuple(found["light and dark swapped"].values()) == (0, 0, 1, 1)
    assert list(found["all"]) == ["other_designs", "false_positives", "variants", "misses"]
