"""Corrections hold in every clustering, contradictions are refused with their chain."""

from itertools import pairwise
from typing import get_args

import numpy as np
import pandas as pd
import pytest

from ml.catalogue.block_clustering import NEWCOMER, Held, cluster_block
from ml.catalogue.constraints import Constraints, constraints, overruled
from ml.catalogue.contradictions import refuse_contradictions
from ml.catalogue.corrections import (
    CORRECTION_COLUMNS,
    check_corrections,
    no_corrections,
    standing,
    unknown_products,
)
from ml.catalogue.locks import LOCK_COLUMNS, check_locks, no_locks, standing_locks
from ml.core.errors import UserError
from ml.grouping.grouping import ClusteringName

THRESHOLD = 0.3


def said(*rows: str) -> pd.DataFrame:
    """Corrections as "A=B" or "A!B", by Ada, one a day from 2026-11-01 on."""
    table = [
        {
            "left": row[0],
            "right": row[2],
            "same": row[1] == "=",
            "by": "Ada",
            "when": f"2026-11-{day:02}T08:00:00+00:00",
            "why": "",
        }
        for day, row in enumerate(rows, 1)
    ]
    return pd.DataFrame(table, columns=list(CORRECTION_COLUMNS)).astype({"same": bool})


def locked(group: str, members: str, holds: bool = True, day: int = 20) -> pd.DataFrame:
    when = f"2026-11-{day}T08:00:00+00:00"
    rows = [(group, one, holds, "Bo", when, "") for one in members]
    return pd.DataFrame(rows, columns=list(LOCK_COLUMNS)).astype({"locked": bool})


def made(
    corrections: pd.DataFrame, ids: str, block: str = "", locks: pd.DataFrame | None = None
) -> Constraints:
    numbers = np.array([int(one) for one in block or "0" * len(ids)])
    return constraints(corrections, no_locks() if locks is None else locks, list(ids), numbers)


def random_corrections(
    design: np.ndarray, block: np.ndarray, count: int, random: np.random.Generator
) -> pd.DataFrame:
    """Pairs of one block with what their designs say, which therefore contradict nothing."""
    rows: dict[frozenset[int], tuple[str, str, str]] = {}
    while len(rows) < count:
        left = int(random.integers(len(design)))
        mates = np.flatnonzero((block == block[left]) & (np.arange(len(block)) != left))
        right = int(random.choice(mates))
        rows[frozenset((left, right))] = (str(left), str(right), str(design[left] == design[right]))
    table = pd.DataFrame(list(rows.values()), columns=["left", "right", "same"], dtype=object)
    return check_corrections(table, "corrections", by="Ada")


def inside(held: Constraints, members: np.ndarray) -> list[np.ndarray]:
    """The pairs of one block, as positions in it."""
    pairs = (held.same, held.different)
    return [np.searchsorted(members, one[np.isin(one, members).all(axis=1)]) for one in pairs]


@pytest.mark.parametrize("clustering", get_args(ClusteringName))
def test_200_corrections_hold_in_every_clustering_and_through_every_regrouping(
    clustering: ClusteringName,
) -> None:
    random = np.random.default_rng(5)
    block = np.repeat(np.arange(8), 40)
    # The designs that people see have nothing to do with what the model sees: the worst case.
    design = random.integers(0, 12, len(block)) + 100 * block
    corrections = random_corrections(design, block, 200, random)
    ids = [str(one) for one in range(len(block))]
    held = constraints(corrections, no_locks(), ids, block)
    assert len(held.said) == 200
    earlier, plain = np.full(len(block), NEWCOMER), np.zeros(len(block), int)
    for _ in range(3):  # three models, one after the other: each round has other embeddings
        centres = random.normal(size=(100, 16))[random.integers(0, 100, len(block))]
        found = centres + random.normal(size=centres.shape) * 0.3
        embeddings = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        labels = np.zeros(len(block), int)
        for number in np.unique(block):
            members = np.flatnonzero(block == number)
            must = Held(earlier[members], 0.05, *inside(held, members))
            here = cluster_block(embeddings[members], clustering, THRESHOLD, must)
            labels[members] = 1000 * number + here
            plain[members] = 1000 * number + cluster_block(
                embeddings[members], clustering, THRESHOLD
            )
        left, right, same = held.said.T
        assert ((labels[left] == labels[right]) == (same == 1)).all()
        assert overruled(labels, held) == 0
        assert 0 < overruled(plain, held) < 200
        earlier = labels


def test_chains_join_products_also_through_those_that_are_gone() -> None:
    held = made(said("a=b", "b=c", "c!d", "d=e"), "aced")  # b is gone
    assert held.same.tolist() == [[0, 1], [2, 3]]  # a = c, e = d
    assert held.different.tolist() == [[0, 2]]  # one product for each design
    assert held.gone[["left", "right"]].to_numpy().tolist() == [["a", "b"], ["b", "c"]]
    assert {tuple(row) for row in held.said.tolist()} == {(1, 3, 0), (3, 2, 1)}


def test_a_correction_of_a_product_that_is_gone_is_kept_and_holds_when_it_comes_back() -> None:
    corrections = said("a=b")
    assert len(made(corrections, "a").gone) == 1
    assert len(made(corrections, "a").same) == 0
    assert made(corrections, "ab").same.tolist() == [[0, 1]]


def test_products_of_two_blocks_are_told_and_never_joined() -> None:
    held = made(said("a=b", "c=b", "c!d"), "abcd", "0101")
    assert held.apart[["left", "right"]].to_numpy().tolist() == [["a", "b"], ["c", "b"]]
    assert held.same.tolist() == [[0, 2]]  # a and c, through b
    assert held.different.tolist() == [[1, 3]]  # b, of the design of c, and d
    assert len(held.said) == 0


def test_the_newest_word_about_a_pair_counts_and_older_ones_stay() -> None:
    both = said("a=b", "b!a")
    assert len(both) == 2
    assert made(both, "ab").different.tolist() == [[0, 1]]
    late_row_first = both.iloc[::-1]
    assert standing(late_row_first)["same"].tolist() == [False]


def test_a_contradiction_is_refused_with_the_shortest_chain() -> None:
    with pytest.raises(UserError, match="cannot all hold") as refusal:
        made(said("a=b", "b=c", "c=d", "d=e", "a=d", "e!a"), "abcde")
    chain = "e = d (Ada, 2026-11-04), d = a (Ada, 2026-11-05), but e ≠ a (Ada, 2026-11-06)"
    assert chain in str(refusal.value)


@pytest.mark.parametrize("seed", range(20))
def test_exactly_the_contradictory_sets_are_refused(seed: int) -> None:
    random = np.random.default_rng(seed)
    letters = "abcdefgh"
    rows = []
    for _ in range(int(random.integers(1, 12))):
        left, right = random.choice(len(letters), 2, replace=False)
        rows.append(f"{letters[left]}{'=!'[int(random.integers(2))]}{letters[right]}")
    newest = standing(said(*rows))
    design = {one: one for one in letters}
    for _ in letters:  # joined by hand, as often as a chain can be long
        for left, right, same in newest[["left", "right", "same"]].itertuples(index=False):
            if same:
                design[left] = design[right] = min(design[left], design[right])
    apart = newest[~newest["same"]]
    wrong = any(design[a] == design[b] for a, b in apart[["left", "right"]].itertuples(index=False))
    if wrong:
        with pytest.raises(UserError, match="but"):
            refuse_contradictions(newest, no_locks())
    else:
        refuse_contradictions(newest, no_locks())


def test_a_locked_group_is_kept_out_of_the_clustering_until_it_is_unlocked() -> None:
    locks = locked("G1", "abx")
    held = made(said("a=b", "a!c", "c=d"), "abcd", locks=locks)
    assert {name: rows.tolist() for name, rows in held.locked.items()} == {"G1": [0, 1]}
    assert held.same.tolist() == [[2, 3]]  # without those that the lock holds
    assert len(held.different) == 0
    assert overruled(np.array([0, 0, 1, 1]), held) == 0
    assert overruled(np.array([0, 0, 0, 0]), held) == 2  # a ≠ c, and the lock
    assert overruled(np.array([0, 1, 2, 2]), held) == 2  # a = b, and the lock
    free = made(said("a=b"), "abcd", locks=pd.concat([locks, locked("G1", "abx", False, 21)]))
    assert free.locked == {}
    assert free.same.tolist() == [[0, 1]]


@pytest.mark.parametrize(
    ("corrections", "words"),
    [
        (("a=c",), r"group G1 is locked without c \(Bo, 2026-11-20\), but a = c \(Ada"),
        (("b=c", "c=d"), "group G1 is locked without c"),
        (("a!b",), r"a = b \(locked in group G1: Bo, 2026-11-20\), but a ≠ b"),
        (("b!e",), r"b = a \(locked in group G1.*, a = e \(locked in group G1.*but b ≠ e"),
    ],
)
def test_words_against_a_locked_group_are_refused(corrections: tuple[str, ...], words: str) -> None:
    with pytest.raises(UserError, match=words):
        made(said(*corrections), "abcde", locks=locked("G1", "abe"))


GOOD = {"left": "1", "right": "2", "same": "1", "by": "Ada", "when": "2026-11-02", "why": None}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"left": None}, "f.csv, line 7: left and right must each name a product"),
        ({"right": "1"}, "f.csv, line 7: '1' is paired with itself"),
        ({"same": "perhaps"}, "f.csv, line 7, column same: 'perhaps' is neither: write 1 for"),
        ({"same": None}, "f.csv, line 7, column same: '' is neither"),
        ({"by": None}, "f.csv, line 7: by and when must be filled in"),
        ({"when": "yesterday"}, "f.csv, line 7, column when: 'yesterday' is no time in ISO 8601"),
        ({"when": "9999-12-31T23:59:59-14:00"}, "f.csv, line 7, column when"),
        ({"when": "2999-01-01"}, "f.csv, line 7, column when: 2999-01-01 is yet to come"),
    ],
)
def test_a_bad_row_is_refused_with_file_line_and_what_to_do(
    change: dict[str, str | None], words: str
) -> None:
    table = pd.DataFrame([GOOD | change], index=pd.Index([7], name="line"), dtype=object)
    with pytest.raises(UserError) as refusal:
        check_corrections(table, "f.csv")
    assert str(refusal.value).startswith(words)


def test_missing_columns_are_named() -> None:
    with pytest.raises(UserError, match=r"f\.csv lacks the columns right, same"):
        check_corrections(pd.DataFrame({"left": ["1"]}, dtype=object), "f.csv")


def test_times_become_utc_and_rows_without_a_person_are_those_of_the_signer() -> None:
    rows = [GOOD | {"when": "2026-11-02T01:30:00+02:00"}, {**GOOD, "by": None, "when": None}]
    found = check_corrections(pd.DataFrame(rows, dtype=object), "f.csv", by="Bo")
    assert found["when"][0] == "2026-11-01T23:30:00+00:00"
    assert found["by"].tolist() == ["Ada", "Bo"]
    assert found["when"][1] > found["when"][0]
    assert found["same"].tolist() == [True, True]


def test_bad_rows_of_locks_are_refused_with_their_line() -> None:
    row = dict.fromkeys(LOCK_COLUMNS, "1") | {"when": "2026-11-02"}
    for change in ({"locked": "2"}, {"group": None}):
        table = pd.DataFrame([row | change], index=pd.Index([3], name="line"), dtype=object)
        with pytest.raises(UserError, match=r"locks\.csv, line 3: group, product_id, by, when"):
            check_locks(table, "locks.csv")
    good = pd.DataFrame([row], index=pd.Index([3], name="line"), dtype=object)
    assert standing_locks(check_locks(good, "locks.csv"))["product_id"].tolist() == ["1"]


def test_products_that_a_catalogue_has_not_are_named_once() -> None:
    assert unknown_products(said("a=b", "b=c", "c!a"), ["a"]) == ["b", "c"]


def test_without_corrections_nothing_is_held() -> None:
    held = made(no_corrections(), "abc")
    assert len(held.same) == len(held.different) == len(held.said) == len(held.gone) == 0
    assert held.same.shape == held.different.shape == (0, 2)
    assert overruled(np.zeros(3, int), held) == 0


def test_a_long_chain_is_followed_fast() -> None:
    ids = [f"p{one:05}" for one in range(5000)]
    rows = [(a, b, True, "Ada", "2026-11-02T00:00:00+00:00", "") for a, b in pairwise(ids)]
    table = pd.DataFrame(rows, columns=list(CORRECTION_COLUMNS)).astype({"same": bool})
    held = constraints(table, no_locks(), ids, np.zeros(len(ids), int))
    assert len(held.same) == 4999
