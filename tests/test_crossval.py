"""In cross-validation every brand is test once, and a finished fold is not computed again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Clone

from benchmarks.crossval import FOLDS, folds


def test_brands_are_whole_and_annotated_products_are_spread_evenly() -> None:
    random = np.random.default_rng(0)
    brand = pd.Series(random.choice([f"b{number}" for number in range(40)], 2000))
    annotated = random.random(2000) < 0.3
    fold = folds(brand, annotated)
    assert set(fold) == set(range(FOLDS))
    assert pd.Series(fold).groupby(brand).nunique().max() == 1
    counts = np.bincount(fold[annotated])
    largest = pd.Series(annotated).groupby(brand).sum().max()
    assert counts.max() - counts.min() <= largest
    assert np.array_equal(fold, folds(brand, annotated))


@pytest.mark.full
def test_a_row_is_judged_over_all_folds_and_resumed(
    make_clone: Callable[[], Clone], tmp_path: Path
) -> None:
    clone = make_clone()
    clone.run("generate", str(tmp_path / "shop"), "--products", "360")
    command = ["-m", "benchmarks.crossval", "--source", str(tmp_path / "shop")]
    command += ["--rows", "untrained-0"]
    first = clone.python(*command).stdout
    assert first.count("== untrained-0, fold") == FOLDS
    written = json.loads((clone.root / "benchmarks/crossval.json").read_text())
    metrics = written["rows"]["untrained-0"]
    assert set(metrics) == {"block_ap", "mean_ap", "recall_at_1", "block_ap_complete"}
    assert all(0 < one["value"] <= 1 and one["low"] <= one["high"] for one in metrics.values())
    second = clone.python(*command).stdout
    assert "== untrained-0, fold" not in second
    assert json.loads((clone.root / "benchmarks/crossval.json").read_text()) == written
