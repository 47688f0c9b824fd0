"""Every metric equals the value of scikit-learn or of its definition."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from ml.evaluate.metrics import (
    Confusion,
    Rankings,
    adjusted_rand,
    average_precision,
    fowlkes_mallows,
    group_accuracy,
    mean_average_precision,
    normalized_mutual_information,
    recall_at_1,
    roc_auc,
    tpr_at_fpr,
)

scored_pairs = st.lists(
    st.tuples(st.booleans(), st.sampled_from([-0.5, 0.0, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 3)),
    min_size=4,
    max_size=40,
).filter(
    lambda rows: (
        sum(w for label, _, w in rows if label) > 0
        and sum(w for label, _, w in rows if not label) > 0
    )
)

groupings = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=30)


def ones(count: int) -> np.ndarray:
    return np.ones((1, count))


def renumber(labels: list[int]) -> np.ndarray:
    return np.unique(labels, return_inverse=True)[1]


@given(scored_pairs)
@settings(deadline=None, max_examples=150)
def test_ap_and_auc_equal_scikit_learn_with_ties_and_weights(
    rows: list[tuple[bool, float, int]],
) -> None:
    label, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    expected_ap = sk.average_precision_score(label, score, sample_weight=weight)
    expected_auc = sk.roc_auc_score(label, score, sample_weight=weight)
    assert average_precision(label, score, weight[None].astype(float))[0] == pytest.approx(
        expected_ap
    )
    assert roc_auc(label, score, weight[None].astype(float))[0] == pytest.approx(expected_auc)


@given(scored_pairs)
@settings(deadline=None, max_examples=100)
def test_tpr_at_fpr_is_the_best_point_of_the_roc_curve_within_the_rate(
    rows: list[tuple[bool, float, int]],
) -> None:
    label, score, weight = (np.array(column) for column in zip(*rows, strict=True))
    fpr, tpr, _ = sk.roc_curve(label, score, sample_weight=weight, drop_intermediate=False)
    for rate in (0.01, 0.3):
        expected = tpr[fpr <= rate + 1e-12].max()
        assert tpr_at_fpr(label, score, weight[None].astype(float), rate)[0] == pytest.approx(
            expected
        )


@given(groupings)
@settings(deadline=None, max_examples=150)
def test_clustering_metrics_equal_scikit_learn(rows: list[tuple[int, int]]) -> None:
    design, group = (renumber(list(column)) for column in zip(*rows, strict=True))
    pairs = Confusion(design, group, ones(design.max() + 1))
    assert adjusted_rand(pairs)[0] == pytest.approx(sk.adjusted_rand_score(design, group))
    assert fowlkes_mallows(pairs)[0] == pytest.approx(sk.fowlkes_mallows_score(design, group))
    nmi = normalized_mutual_information(design, group, ones(design.max() + 1))[0]
    both_single = design.max() == 0 and group.max() == 0
    assert nmi == pytest.approx(
        1.0 if both_single else sk.normalized_mutual_info_score(design, group), abs=1e-9
    )


@given(groupings, st.data())
@settings(deadline=None, max_examples=60)
def test_a_design_drawn_twice_counts_as_two_designs(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    design, group = (renumber(list(column)) for column in zip(*rows, strict=True))
    weight = np.array([[data.draw(st.integers(0, 3)) for _ in range(design.max() + 1)]], float)
    counted = dict.fromkeys(("tp", "fp", "fn", "tn"), 0)
    copies = [
        (d, copy, g)
        for d, g in zip(design, group, strict=True)
        for copy in range(int(weight[0, d]))
    ]
    for one, other in itertools.permutations(copies, 2):
        same_design = one[:2] == other[:2]
        if one[0] == other[0] and not same_design:
            continue  # two copies of a design are not compared with each other
        counted[
            ("t" if same_design == (one[2] == other[2]) else "f")
            + ("p" if one[2] == other[2] else "n")
        ] += 1
    pairs = Confusion(design, group, weight)
    found = {
        "tp": pairs.true_positive,
        "fp": pairs.false_positive,
        "fn": pairs.false_negative,
        "tn": pairs.true_negative,
    }
    assert {name: value[0] for name, value in found.items()} == counted


def test_cgacc_counts_designs_recovered_exactly_and_its_precision_the_groups_that_are_designs() -> (
    None
):
    design = np.array([0, 0, 1, 1, 1, 2, 3, 3])
    group = np.array([0, 0, 1, 1, 2, 3, 4, 4])  # 0 and 3 exact, 1 torn apart, 2 is one product only
    accuracy, precision = group_accuracy(design, group, ones(4))
    assert accuracy[0] == pytest.approx(2 / 3)
    assert precision[0] == pytest.approx(2 / 3)
    merged_accuracy, merged_precision = group_accuracy(
        design, np.array([0, 0, 0, 0, 0, 1, 2, 2]), ones(4)
    )
    assert merged_accuracy[0] == pytest.approx(1 / 3)
    assert merged_precision[0] == pytest.approx(1 / 2)


def test_cgacc_precision_is_zero_where_no_group_is_found() -> None:
    accuracy, precision = group_accuracy(np.array([0, 0, 1]), np.array([0, 1, 2]), ones(2))
    assert (accuracy[0], precision[0]) == (0, 0)


def test_recall_at_1_weighs_the_products_that_are_asked() -> None:
    found = np.array([True, False, True])
    assert recall_at_1(
        found, np.array([[1.0, 1.0, 1.0], [0.0, 3.0, 1.0]])
    ).tolist() == pytest.approx([2 / 3, 1 / 4])


@given(groupings, st.data())
@settings(deadline=None, max_examples=60)
def test_mean_ap_is_the_mean_of_scikit_learns_ap_over_products_with_ties_and_weights(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    design, block = (renumber(list(column)) for column in zip(*rows, strict=True))
    pairs = [
        pair for pair in itertools.combinations(range(len(rows)), 2) if len({*block[[*pair]]}) == 1
    ]
    pairs = [pair for pair in pairs if data.draw(st.integers(0, 9))]  # some are marked low
    score = np.array([data.draw(st.sampled_from([-0.5, 0.0, 0.5, 0.9])) for _ in pairs])
    weight = np.array([data.draw(st.integers(0, 3)) for _ in range(design.max() + 1)], float)
    left, right = np.array(pairs, int).reshape(-1, 2).T
    label = design[left] == design[right]
    values: list[float] = []
    counts: list[float] = []
    for query in range(len(rows)):
        own = (left == query) | (right == query)
        if label[own].any():  # its own copy's variants once, others as often as they were drawn
            drawn = np.where(label, 1, weight[design[np.where(left == query, right, left)]])[own]
            values.append(sk.average_precision_score(label[own], score[own], sample_weight=drawn))
            counts.append(weight[design[query]])
    rankings = Rankings(left, right, label, score, design)
    (found,) = mean_average_precision(rankings, weight[None])
    wanted = np.average(values, weights=counts) if any(counts) else np.nan
    assert found == pytest.approx(wanted, nan_ok=True)


def test_mean_ap_of_a_thousand_products_and_resamples_takes_no_two_seconds() -> None:
    random = np.random.default_rng(0)
    design = np.repeat(np.arange(250), 4)
    starts = np.arange(0, 1000, 40)  # blocks of ten designs
    ends = [np.triu_indices(40, k=1)] * len(starts)
    left, right = (
        np.concatenate([pair[side] + start for pair, start in zip(ends, starts, strict=True)])
        for side in (0, 1)
    )
    score, weight = random.normal(size=len(left)), random.multinomial(250, [1 / 250] * 250, 1000)
    began = time.process_time()
    rankings = Rankings(left, right, design[left] == design[right], score, design)
    assert mean_average_precision(rankings, weight.astype(float)).shape == (1000,)
    assert time.process_time() - began < 2


def test_a_perfect_and_a_reversed_ranking_reach_the_ends_of_the_scale() -> None:
    label = np.array([True, True, False, False, False])
    for score, auc, ap in (
        (np.array([5, 4, 3, 2, 1.0]), 1.0, 1.0),
        (np.array([1, 2, 3, 4, 5.0]), 0.0, (1 / 4 + 2 / 5) / 2),
    ):
        assert roc_auc(label, score, ones(5))[0] == pytest.approx(auc)
        assert average_precision(label, score, ones(5))[0] == pytest.approx(ap)
