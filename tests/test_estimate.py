"""Precision and recall of groups from random pairs: unbiased, and intervals hold the truth."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.annotation_page import MEASURED, PAGE, tables
from ml.annotate.estimate import Stratum, estimate, strata_of
from ml.core.files import read_json

PUBLISHED, REVIEW, OUTSIDE = (np.arange(3) == one for one in range(3))
ROUNDS = 200
NOTHING = np.zeros((3, 3), int)


def drawn(
    random: np.random.Generator, truth: list[tuple[np.ndarray, int, int]], answers: list[int]
) -> list[Stratum]:
    """Samples of strata: (where it is, pairs, variants among them)."""
    found = []
    for (places, size, variants), count in zip(truth, answers, strict=True):
        same = int(random.hypergeometric(variants, size - variants, count))
        counts = NOTHING.copy()
        counts[places] = [count - same, same, 0]
        found.append(Stratum(size, counts, places))
    return found


@pytest.mark.parametrize(
    ("truth", "answers"),
    [
        # groups of a good model, and many pairs outside of which few are variants
        (
            [(PUBLISHED, 300, 290), (REVIEW, 2500, 1500), (OUTSIDE, 4000, 200),
             (OUTSIDE, 40_000, 40)],
            [40, 60, 50, 50],
        ),
        # as the real photos: several strata outside, of which nearly all have no variant at all
        (
            [(PUBLISHED, 20, 20), (REVIEW, 271, 146), (OUTSIDE, 154, 16), (OUTSIDE, 196, 8),
             (OUTSIDE, 252, 3), (OUTSIDE, 668, 3), (OUTSIDE, 1594, 1)],
            [15, 30, 8, 7, 7, 9, 19],
        ),
        # all that is published is right, and nothing is missed: an answer never differs
        ([(PUBLISHED, 300, 300), (REVIEW, 500, 500), (OUTSIDE, 20_000, 0)], [20, 20, 40]),
        # a bad model of a small catalogue
        ([(PUBLISHED, 40, 20), (REVIEW, 60, 12), (OUTSIDE, 900, 90)], [20, 20, 60]),
    ],
)  # fmt: skip
def test_intervals_hold_the_truth_as_often_as_they_say(
    truth: list[tuple[np.ndarray, int, int]], answers: list[int]
) -> None:
    random = np.random.default_rng(0)
    right = sum(variants for places, _, variants in truth if not places[2])
    true = {
        "pair_precision": right / sum(size for places, size, _ in truth if not places[2]),
        "pair_recall": right / sum(variants for _, _, variants in truth),
        "published_pair_precision": truth[0][2] / truth[0][1],
    }
    held, values = dict.fromkeys(true, 0), {name: [] for name in true}
    for _ in range(ROUNDS):
        found = estimate(drawn(random, truth, answers), NOTHING)
        for name, value in true.items():
            one = found[name]
            held[name] += one["low"] - 1e-9 <= value <= one["high"] + 1e-9
            values[name].append(one["value"])
    for name, count in held.items():
        assert count / ROUNDS >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / ROUNDS), name
    for name in ("pair_precision", "published_pair_precision"):  # recall is a ratio of estimates
        error = np.std(values[name]) / np.sqrt(ROUNDS)
        assert abs(np.mean(values[name]) - true[name]) <= 4 * error + 1e-9


def test_an_interval_is_narrower_than_one_that_says_nothing() -> None:
    strata = drawn(
        np.random.default_rng(0), [(REVIEW, 5000, 4000), (OUTSIDE, 5000, 500)], [100, 100]
    )
    found = estimate(strata, NOTHING)["pair_precision"]
    assert found["high"] - found["low"] < 0.2


def test_a_census_leaves_no_doubt() -> None:
    strata = [
        Stratum(10, np.array([[0, 0, 0], [3, 7, 0], [0, 0, 0]]), REVIEW),
        Stratum(20, np.array([[0, 0, 0], [0, 0, 0], [18, 2, 0]]), OUTSIDE),
    ]
    known = np.array([[0, 4, 0], [0, 0, 0], [5, 1, 0]])
    found = estimate(strata, known)
    exact = {"pair_precision": 11 / 14, "pair_recall": 11 / 14, "published_pair_precision": 1.0}
    for name, value in exact.items():
        assert found[name] == {"value": value, "low": value, "high": value}


def test_pairs_that_nobody_can_decide_are_neither_right_nor_wrong() -> None:
    strata = [Stratum(10, np.array([[0, 0, 0], [2, 6, 2], [0, 0, 0]]), REVIEW)]
    found = estimate(strata, NOTHING)
    assert found["pair_precision"]["value"] == pytest.approx(0.75)
    assert found["unsure"]["value"] == pytest.approx(0.2)


def test_without_an_answer_in_a_stratum_nothing_is_claimed() -> None:
    strata = [Stratum(10, np.array([[0, 0, 0], [2, 6, 0], [0, 0, 0]]), REVIEW)]
    strata.append(Stratum(50, NOTHING, OUTSIDE))
    found = estimate(strata, NOTHING)
    assert found["pair_recall"]["value"] is None
    assert found["published_pair_precision"]["value"] is None  # nothing is published


def test_strata_are_read_from_the_rows_of_a_batch_and_one_without_a_row_is_not_forgotten() -> None:
    rows = pd.DataFrame(
        [
            ("random published", "same"),
            ("random published", None),
            ("random untrained 1", "different"),
            ("random untrained 1", "unsure"),
        ],
        columns=["stratum", "answer"],
    )
    sizes = {"random published": 4, "random untrained 1": 20, "random outside 5": 700}
    published, untrained, outside = strata_of(rows, np.array([0, 0, 2, 1]), sizes)
    assert (published.size, published.answered) == (4, 1)
    assert published.places.tolist() == [True, False, False]
    assert (untrained.size, untrained.places.all()) == (20, True)
    assert untrained.counts.tolist() == [[0, 0, 0], [0, 0, 1], [1, 0, 0]]
    assert (outside.size, outside.answered) == (700, 0)
    assert estimate([published, untrained, outside], NOTHING)["pair_recall"]["value"] is None


def test_the_page_of_results_holds_what_was_measured() -> None:
    assert tables(read_json(MEASURED)) in PAGE.read_text(encoding="utf-8")
