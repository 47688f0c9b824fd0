"""Annotated pairs mean what the data format says."""

import importlib
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from ml.data.annotations import build_annotations
from ml.evaluate.bootstrap import Resamples, interval, pair_weights, resample
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import METRICS
from ml.grouping.calibration import Calibration
from ml.validate.contradictions import contradicts


def shop(
    pairs: list[tuple[str, str, int, str]], **blocks: str
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Products a to h and annotated pairs; `blocks` gives brands other than x to some products."""
    names = list("abcdefgh")
    products = pd.DataFrame(
        {"product_id": names, "brand": [blocks.get(name, "x") for name in names]}
    )
    products["gender"], products["article_type"] = "Men", "Tee"
    return products, pd.DataFrame(pairs, columns=["left", "right", "color_variants", "confidence"])


def names_of(
    products: pd.DataFrame, indices: np.ndarray, left: np.ndarray, right: np.ndarray
) -> set[frozenset[str]]:
    ids = products["product_id"].to_numpy()[indices]
    return {frozenset((ids[a], ids[b])) for a, b in zip(left, right, strict=True)}


def test_a_design_is_a_connected_component_of_positive_usable_pairs() -> None:
    products, pairs = shop(
        [
            ("a", "b", 1, "high"),
            ("b", "c", 1, "medium"),
            ("c", "d", 1, "low"),
            ("d", "e", 0, "high"),
        ]
    )
    annotations = build_annotations(products, pairs)
    design = dict(
        zip(products["product_id"].to_numpy()[annotations.indices], annotations.design, strict=True)
    )
    assert design["a"] == design["b"] == design["c"]
    assert len({design["a"], design["d"], design["e"]}) == 3
    assert annotations.usable == 3


def test_pairs_marked_low_are_in_no_metric() -> None:
    products, pairs = shop(
        [("a", "b", 1, "high"), ("a", "c", 0, "low"), ("c", "d", 0, "high"), ("g", "h", 1, "low")]
    )
    annotations = build_annotations(products, pairs)
    annotated = set(products["product_id"].to_numpy()[annotations.indices])
    assert annotated == {"a", "b", "c", "d"}  # g and h occur in a low pair only
    block = names_of(
        products, annotations.indices, annotations.block_pairs.left, annotations.block_pairs.right
    )
    every_pair_but_the_low_one = {frozenset(pair) for pair in ("ab", "ad", "bc", "bd", "cd")}
    assert block == every_pair_but_the_low_one
    assert len(annotations.hard) == 2


def test_block_pairs_stay_within_one_brand_gender_and_article_type() -> None:
    products, pairs = shop([("a", "b", 1, "high"), ("c", "d", 0, "high")], c="y", d="y")
    annotations = build_annotations(products, pairs)
    block = names_of(
        products, annotations.indices, annotations.block_pairs.left, annotations.block_pairs.right
    )
    assert block == {frozenset("ab"), frozenset("cd")}


def test_pairs_that_nobody_has_looked_at_are_no_block_pairs() -> None:
    rows = [("a", "b", 1, None), ("c", "d", 0, None), ("e", "f", 1, "sampled"),
            ("f", "g", 0, "sampled"), ("d", "h", 0, "sampled")]  # fmt: skip
    products, _ = shop([])
    pairs = pd.DataFrame(rows, columns=["left", "right", "color_variants", "origin"])
    found = build_annotations(products, pairs)
    block_pairs = found.block_pairs
    named = names_of(products, found.indices, block_pairs.left, block_pairs.right)
    # Of a to d all were compared; e and g differ since f, a variant of e, differs from g.
    asked = {"ab", "ac", "ad", "bc", "bd", "cd", "ef", "fg", "dh", "eg"}
    assert named == {frozenset(one) for one in asked}
    assert block_pairs.label.sum() == 2
    before = build_annotations(products, pairs.drop(columns="origin"))
    assert len(before.block_pairs) == 8 * 7 / 2


def test_pairs_of_products_outside_the_table_are_left_out() -> None:
    products, pairs = shop([("a", "b", 1, "high"), ("a", "nobody", 1, "high")])
    assert build_annotations(products, pairs).usable == 1


def test_without_pairs_the_annotations_are_empty_and_incomplete() -> None:
    products, pairs = shop([])
    annotations = build_annotations(products, pairs)
    assert len(annotations.indices) == 0
    assert len(annotations.hard) == 0
    assert len(annotations.block_pairs) == 0
    assert annotations.complete is False


def test_a_pair_table_without_confidence_counts_whole() -> None:
    products, pairs = shop([("a", "b", 1, "high"), ("c", "d", 0, "high")])
    assert build_annotations(products, pairs.drop(columns="confidence")).usable == 2


def test_resampling_draws_designs_and_weighs_pairs_by_both_ends() -> None:
    weight = resample(5, 200, seed=1)
    assert weight.shape == (201, 5)
    assert (weight[0] == 1).all()
    assert (weight.sum(axis=1) == 5).all()
    drawn = np.array([[2.0, 0.0, 3.0]])
    left, right = np.array([0, 0, 0, 2]), np.array([0, 1, 2, 2])
    assert pair_weights(drawn, left, right).tolist() == [[2.0, 0.0, 6.0, 3.0]]


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random, covered = np.random.default_rng(0), 0
    for trial in range(200):
        values = random.normal(1.0, 1.0, 60)
        weight = resample(60, 300, seed=trial)
        bounds = interval((weight @ values) / weight.sum(axis=1))
        covered += bool(bounds["low"] <= 1.0 <= bounds["high"])
    assert 0.88 <= covered / 200 <= 0.99


def test_metrics_of_perfect_embeddings_are_one_with_intervals_that_touch_it() -> None:
    products, pairs = shop(
        [
            ("a", "b", 1, "high"),
            ("c", "d", 1, "high"),
            ("e", "f", 0, "high"),
            ("a", "c", 0, "high"),
            ("b", "e", 0, "high"),
        ]
    )
    annotations = build_annotations(products, pairs)
    embeddings = np.eye(int(annotations.design.max()) + 1)[annotations.design]
    metrics = Evaluation(embeddings, Resamples(annotations, 50, 0)).metrics(0.5)
    assert list(metrics) == list(METRICS)
    for metric in metrics.values():
        assert metric["value"] == pytest.approx(1.0)
        assert metric["high"] == pytest.approx(1.0)


def test_metrics_do_not_depend_on_how_resamples_are_chunked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    products, pairs = shop(
        [("a", "b", 1, "high"), ("c", "d", 1, "high"), ("a", "c", 0, "high"), ("e", "f", 0, "high")]
    )
    annotations = build_annotations(products, pairs)
    embeddings = np.random.default_rng(0).normal(size=(len(annotations.indices), 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    whole = Evaluation(embeddings, Resamples(annotations, 40, 0))
    error = whole.calibration_error(Calibration(4.0, -2.0, 0.1))
    monkeypatch.setattr("ml.evaluate.bootstrap.CHUNK", 1)
    monkeypatch.setattr("ml.evaluate.bootstrap.KEPT", 0)
    chunked = Evaluation(embeddings, Resamples(annotations, 40, 0))
    for name in METRICS:
        np.testing.assert_allclose(chunked.draws(name, 0.3), whole.draws(name, 0.3))
    assert chunked.calibration_error(Calibration(4.0, -2.0, 0.1)) == pytest.approx(error)


def test_an_evaluation_computes_nothing_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    products, pairs = shop(
        [("a", "b", 1, "high"), ("c", "d", 1, "high"), ("a", "c", 0, "high"), ("e", "f", 0, "high")]
    )
    annotations = build_annotations(products, pairs)
    embeddings = np.random.default_rng(0).normal(size=(len(annotations.indices), 3))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    calls: Counter[str] = Counter()

    def count(module: str, name: str) -> None:
        original = getattr(importlib.import_module(module), name)

        def counted(*arguments: object, **options: object) -> object:
            calls[name] += 1
            return original(*arguments, **options)

        monkeypatch.setattr(f"{module}.{name}", counted)

    for name in ("similarities", "Grouping", "group_metrics"):
        count("ml.evaluate.evaluation", name)
    count("ml.evaluate.bootstrap", "resample")
    count("ml.evaluate.bootstrap", "pair_weights")
    resamples = Resamples(annotations, 40, 0)
    for _ in range(2):  # a model and a baseline
        one = Evaluation(embeddings, resamples)
        for _ in range(2):
            one.metrics(one.best_threshold)
            one.calibration_error(one.calibration)
            one.precision_recall()
    assert calls == {
        "similarities": 4,  # of block pairs and of hard pairs, for each of both
        "Grouping": 2,
        "group_metrics": 2,
        "resample": 1,
        "pair_weights": 2,  # of block pairs and of hard pairs, for both together
    }


def test_recall_at_1_asks_products_with_a_variant_and_a_tie_is_no_hit() -> None:
    products, pairs = shop([("a", "b", 1, "high"), ("a", "c", 0, "high")])
    annotations = build_annotations(products, pairs)
    one = Evaluation(np.ones((3, 1)), Resamples(annotations, 1, 0))
    asked, found = one.nearest_is_variant
    assert asked.tolist() == [0, 1]
    assert not found.any()


def test_a_pair_that_is_listed_twice_or_mirrored_counts_once() -> None:
    products = a_block(4)
    once = pd.DataFrame(
        [("0", "1", 1), ("1", "2", 0), ("2", "3", 1)], columns=["left", "right", "color_variants"]
    )
    mirrored = once.rename(columns={"left": "right", "right": "left"})
    twice = pd.concat([once, mirrored, once.head(1)], ignore_index=True)
    one, more = (build_annotations(products, pairs) for pairs in (once, twice))
    assert one.usable == more.usable == len(more.hard) == 3
    for name in ("left", "right", "label"):
        assert (getattr(one.hard, name) == getattr(more.hard, name)).all()


def test_contradictory_pairs_are_found_through_chains_and_mirrored_rows() -> None:
    columns = ["left", "right", "color_variants", "confidence"]
    rows = [("a", "b", 1, "high"), ("b", "c", 1, None), ("c", "a", 0, "high")]
    assert contradicts(pd.DataFrame(rows, columns=columns)).tolist() == [False, False, True]
    mirrored = [("a", "b", 1, "high"), ("b", "a", 0, "medium"), ("a", "b", 0, "low")]
    assert contradicts(pd.DataFrame(mirrored, columns=columns)).tolist() == [False, True, False]


def a_block(count: int) -> pd.DataFrame:
    """Products of one block, with the ids 0, 1, …"""
    ids = [str(number) for number in range(count)]
    return pd.DataFrame({"product_id": ids, "brand": "b", "gender": "g", "article_type": "t"})
