"""The score that users see is a calibrated probability."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from ml.grouping.calibration import (
    Calibration,
    expected_calibration_error,
    fit_calibration,
    reliability,
)


def pairs(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Similarities whose labels follow a known calibration."""
    random = np.random.default_rng(seed)
    similarity = random.uniform(-0.2, 1, count)
    return similarity, random.random(count) < Calibration(9.0, -5.0, 0.1).probability(similarity)


def test_the_fit_finds_the_calibration_that_made_the_labels() -> None:
    found = fit_calibration(*pairs(40_000))
    assert found.slope == pytest.approx(9, abs=0.3)
    assert found.intercept == pytest.approx(-5, abs=0.2)
    similarity, label = pairs(500)
    twin = LogisticRegression(C=1e9, max_iter=5000, tol=1e-8).fit(similarity[:, None], label)
    expected = twin.predict_proba(similarity[:, None])[:, 1]
    np.testing.assert_allclose(
        fit_calibration(similarity, label).probability(similarity), expected, atol=1e-3
    )


def test_the_error_is_the_mean_gap_of_bins_and_weights_count_as_copies() -> None:
    probability, label = np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])
    weights = np.array([[1.0, 1, 1, 1], [1, 0, 1, 1], [0, 2, 0, 0]])
    expected = [(abs(1 - 0.1) + abs(2 - 1.9)) / 4, (0.05 + 0.1) / 3, 0.95]
    np.testing.assert_allclose(expected_calibration_error(probability, label, weights), expected)
    copies = np.repeat(np.arange(4), [0, 2, 0, 0])
    again = expected_calibration_error(probability[copies], label[copies], np.ones((1, 2)))
    np.testing.assert_allclose(again, expected[2:])


def test_calibrated_scores_are_right_on_new_pairs_and_overconfident_ones_are_wrong() -> None:
    good = fit_calibration(*pairs(4000))
    similarity, label = pairs(4000, seed=1)
    one = np.ones((1, 4000))
    assert expected_calibration_error(good.probability(similarity), label, one)[0] < 0.03
    bold = Calibration(good.slope * 6, good.intercept * 6, 0.1)
    assert expected_calibration_error(bold.probability(similarity), label, one)[0] > 0.08


def test_the_reliability_diagram_holds_every_pair_once_and_adds_up_to_the_error() -> None:
    similarity, label = pairs(1000)
    probability = Calibration(5.0, -2.0, 0.1).probability(similarity)
    table = reliability(probability, label)
    assert table["pairs"].sum() == 1000
    error = (table["pairs"] * (table["foreseen"] - table["found"]).abs()).sum() / 1000
    assert error == pytest.approx(
        expected_calibration_error(probability, label, np.ones((1, 1000)))[0]
    )
    assert len(reliability(np.array([0.0, 1.0]), np.array([False, True]))) == 2
