"""Few corrections merge and split groups, and no closure of them says anything else."""

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest

from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.locks import no_locks
from ml.catalogue.merge_split import Designs, Pair, merging, splitting, still_together


def newest(*said: list[Pair]) -> list[Pair]:
    return list({frozenset(pair[:2]): pair for pairs in said for pair in pairs}.values())


def holds(said: list[Pair]) -> bool:
    table = pd.DataFrame(said, columns=["left", "right", "same"]).assign(by="Ada", when="2026")
    refuse_contradictions(table.astype({"same": bool}), no_locks())
    return True


def test_a_merge_says_one_word_for_each_design_that_joins() -> None:
    assert merging(list("abcd"), []) == [("a", "b", True), ("a", "c", True), ("a", "d", True)]
    assert merging(list("abcd"), [("c", "x", True), ("x", "d", True)]) == [
        ("a", "b", True),
        ("a", "c", True),
    ]
    assert merging(list("ab"), [("b", "a", True)]) == []


def test_a_split_says_one_word_for_each_two_designs() -> None:
    assert splitting(["a"], list("bcd"), []) == [("a", one, False) for one in "bcd"]
    joined = [("b", "c", True), ("c", "d", True)]
    assert splitting(["a"], list("bcd"), joined) == [("a", "b", False)]
    assert splitting(["a"], list("bcd"), [*joined, ("d", "a", False)]) == []
    assert len(splitting(list("ab"), list("cd"), [])) == 4
    assert splitting(list("ab"), list("cd"), [], True, True) == [
        ("a", "b", True),
        ("c", "d", True),
        ("a", "c", False),
    ]


def test_a_product_that_was_taken_out_does_not_come_back_by_a_merge() -> None:
    said = splitting(["a"], list("bcd"), [])
    assert still_together(list("abcd"), said) == list("bcd")
    assert still_together(list("ab"), [("a", "b", False)]) == ["a"]
    assert still_together(list("abc"), [("b", "a", True)]) == list("abc")


def test_words_against_it_are_taken_back() -> None:
    assert merging(list("ab"), [("a", "b", False)]) == [("a", "b", True)]
    assert splitting(["a"], ["b"], [("b", "a", True)]) == [("b", "a", False)]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_was_said_before_a_split_parts_and_a_merge_joins_all(seed: int) -> None:
    draw = np.random.default_rng(seed)
    names = list("abcdefgh")
    design = dict(zip(names, draw.integers(0, 5, len(names)).tolist(), strict=True))
    said = [
        (left, right, design[left] == design[right])
        for left, right in combinations(names, 2)
        if draw.random() < 0.3
    ]
    group = names[:6]
    go, stay = group[:2], group[2:]
    # A chain through products of other groups may still join both sides: the check refuses that.
    outside = [pair for pair in said if {*pair[:2]} <= set(group)]
    parted = splitting(go, stay, outside, bool(draw.integers(2)), bool(draw.integers(2)))
    after = Designs(newest(outside, parted))
    if all(after.of(left) != after.of(right) for left, right in product(go, stay)):
        apart = after.parted()
        assert all(frozenset((after.of(a), after.of(b))) in apart for a, b in product(go, stay))
        assert len(parted) == len({frozenset(pair[:2]) for pair in parted})
    joined = merging(group, outside)
    after = Designs(newest(outside, joined))
    assert len({after.of(one) for one in group}) == 1
    assert holds(newest(outside, joined))
