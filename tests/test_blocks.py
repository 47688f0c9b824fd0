"""Embeddings relative to their block lose what its products share, and keep what differs."""

import numpy as np
import pandas as pd

from ml.data.annotations import build_annotations
from ml.data.blocks import block_mates, block_numbers, relative_to_block


def embeddings(count: int, seed: int = 0, common: float = 0.0) -> np.ndarray:
    """Random float32 (count, 16) of length one; `common` is added to their first number."""
    made = np.random.default_rng(seed).normal(size=(count, 16))
    made[:, 0] += common
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_what_a_large_block_has_in_common_goes_away() -> None:
    alike = embeddings(60, common=6.0)
    off = np.triu_indices(60, 1)
    assert (alike @ alike.T)[off].mean() > 0.5
    relative = relative_to_block(alike, np.zeros(60, int), prior=5.0)
    assert (relative @ relative.T)[off].mean() < 0.1
    np.testing.assert_allclose(np.linalg.norm(relative, axis=1), 1, atol=1e-6)


def test_a_small_block_hardly_moves_and_an_infinite_prior_moves_nothing() -> None:
    pair = embeddings(2, common=6.0)
    near = relative_to_block(pair, np.zeros(2, int), prior=20.0)
    assert abs(float(near[0] @ near[1]) - float(pair[0] @ pair[1])) < 0.1
    np.testing.assert_allclose(
        relative_to_block(pair, np.zeros(2, int), float("inf")), pair, atol=1e-6
    )


def test_blocks_do_not_touch_one_another() -> None:
    both = embeddings(20, common=3.0)
    block = np.repeat([0, 1], 10)
    alone = relative_to_block(both[:10], block[:10], 5.0)
    np.testing.assert_allclose(relative_to_block(both, block, 5.0)[:10], alone, atol=1e-6)


def test_unreadable_products_stay_zero_and_an_empty_table_is_fine() -> None:
    some = embeddings(5)
    some[2] = 0
    relative = relative_to_block(some, np.zeros(5, int), 5.0)
    assert not relative[2].any()
    assert np.isfinite(relative).all()
    assert relative_to_block(some[:0], np.zeros(0, int), 5.0).shape == (0, 16)


def test_block_mates_are_all_products_of_annotated_blocks() -> None:
    products = pd.DataFrame(
        {
            "product_id": list("abcdef"),
            "brand": ["A", "A", "A", "B", "B", None],
            "gender": "Men",
            "article_type": "Shirts",
        }
    )
    pairs = pd.DataFrame({"left": ["a"], "right": ["b"], "color_variants": [1]})
    assert block_mates(products, build_annotations(products, pairs).indices).tolist() == [0, 1, 2]
    assert block_numbers(products).tolist() == [0, 0, 0, 1, 1, 2]
