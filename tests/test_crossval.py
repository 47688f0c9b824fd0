"""In cross-validation every brand is test once, and a finished fold is not computed again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Clone

from benchmarks.brand_folds import FOLDS, WORDS, folds
from benchmarks.crossval import DEFAULT, lines, metrics


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


def test_the_gain_of_the_default_is_paired() -> None:
    spread = np.array([0.5, 0.3, 0.7, 0.4])
    other, default = (dict.fromkeys(WORDS, spread + more) for more in (0.0, 0.1))
    gain = metrics(other, default)["gain"]["mean_ap"]
    assert all(gain[one] == pytest.approx(0.1) for one in ("value", "low", "high"))
    assert "| untrained-0 | +0.100 (+0.100 to +0.100) |" in lines(
        {"untrained-0": metrics(other, default), DEFAULT: metrics(default, default)}
    )


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
    row = written["rows"]["untrained-0"]
    assert row["gain"] == {}  # the default was not asked for
    assert all(0 < row[one]["value"] <= 1 and row[one]["low"] <= row[one]["high"] for one in WORDS)
    page = (clone.root / "docs/results.md").read_text()
    assert f"| untrained-0 | {row['block_ap']['value']:.3f} (" in page
    second = clone.python(*command).stdout
    assert "== untrained-0, fold" not in second
    refused = clone.python("-m", "benchmarks.whitening", *command[2:4], check=False)
    assert refused.returncode != 0
    assert "run python -m benchmarks.crossval before" in refused.stderr
    assert json.loads((clone.root / "benchmarks/crossval.json").read_text()) == written
