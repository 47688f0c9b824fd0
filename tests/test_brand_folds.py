"""Cross-validation judges each product by its own fold's network, and adds what it says it adds."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks.brand_folds import FOLDS, BrandFolds
from benchmarks.variations import aspect_numbers, with_neighbours
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.evaluate.params import EvaluateParams

BRANDS, DESIGNS = 11, 3  # of each brand; every design has two products


@pytest.fixture
def brands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BrandFolds:
    """A shop of some brands, whose blocks are all complete."""
    design = np.repeat(np.arange(BRANDS * DESIGNS), 2)
    ids = [f"p{number}" for number in np.random.default_rng(0).permutation(len(design))]
    products = pd.DataFrame({"product_id": ids, "brand": [f"b{one // DESIGNS}" for one in design]})
    products = products.assign(gender="Men", article_type="Shirts")
    left, right = ids[0::2], ids[1::2]
    pairs = pd.DataFrame({"left": left, "right": right, "color_variants": 1})
    others = {"left": left[:-1], "right": left[1:], "color_variants": 0}
    pd.concat([pairs, pd.DataFrame(others)]).to_parquet(tmp_path / "pairs.parquet")
    products.to_parquet(tmp_path / "products.parquet")
    blocks = pd.DataFrame({"product_id": ids, "design": design.astype(str)})
    blocks.to_parquet(tmp_path / "blocks.parquet")
    none = pd.DataFrame({"left": pd.Series(dtype=str), "right": pd.Series(dtype=str)})
    none.to_parquet(tmp_path / "blocks_unsure_pairs.parquet")
    monkeypatch.setattr("benchmarks.brand_folds.validated", lambda shop: tmp_path)
    settings = EvaluateParams.model_construct(resamples=20, seed=0, block_prior=20)
    return BrandFolds(tmp_path, settings)


def design_embeddings(brands: BrandFolds, place: int, swapped: bool = False) -> np.ndarray:
    """Embeddings that are equal for the two products of a design, or for two designs' products."""
    design = np.repeat(np.arange(BRANDS * DESIGNS), 2)
    shown = np.roll(design, 1) if swapped else design
    return np.eye(BRANDS * DESIGNS, dtype=np.float32)[shown][brands.tested(place)]


def test_every_judged_product_is_measured_by_its_own_embedding(brands: BrandFolds) -> None:
    right = brands.draws([design_embeddings(brands, place) for place in range(FOLDS)])
    assert {name: found[0] for name, found in right.items()} == {
        "block_ap": 1,
        "mean_ap": 1,
        "recall_at_1": 1,
        COMPLETE_BLOCK_AP: 1,
    }
    wrong = brands.draws([design_embeddings(brands, place, True) for place in range(FOLDS)])
    assert all(found[0] < 0.5 for found in wrong.values())


def test_a_fold_trains_on_no_brand_that_it_is_judged_by(brands: BrandFolds) -> None:
    judged = []
    for place in range(FOLDS):
        split = pd.Series(brands.splits(place)).groupby(brands.products["brand"])
        assert split.nunique().max() == 1
        tested = brands.tested(place)
        assert (brands.splits(place)[tested] == "test").all()
        judged += tested.tolist()
    assert sorted(judged) == list(range(len(brands.products)))  # each once


def test_a_product_twice_as_high_is_at_a_right_angle_and_neighbours_come_nearer() -> None:
    box = pd.DataFrame({"box_left": 0, "box_top": 0, "box_right": 10, "box_bottom": [10, 20, 10]})
    shop: Any = SimpleNamespace(products=box)
    numbers = aspect_numbers(shop)
    assert numbers[0] @ numbers[1] == pytest.approx(0, abs=1e-9)
    assert numbers[0] @ numbers[2] == pytest.approx(1)
    own = np.array([[1, 0, 0], [0.8, 0.6, 0], [0, 0, 1], [1, 0, 0]], np.float32)
    fold: Any = SimpleNamespace(block=np.array([0, 0, 0, 1]), plain=own)
    moved = with_neighbours(fold)
    assert moved[0] @ moved[1] > own[0] @ own[1]
    assert np.allclose(moved[2:], own[2:])  # nothing of the block is like it
