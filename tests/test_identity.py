"""Ids of groups live on through additions, removals, merges and splits, and are never reused."""

import numpy as np
import pandas as pd
import pytest

from ml.catalogue.changes import changes, retirements
from ml.catalogue.identity import new_id
from ml.data.matching import carry_over


def labels(groups: list[str]) -> np.ndarray:
    return pd.factorize(np.array(groups, dtype=object))[0]


def test_of_a_merge_the_id_with_most_members_stays_then_the_oldest() -> None:
    most = carry_over(np.zeros(5, int), np.array([0, 0, 1, 1, 1]), np.array([0, 1]))
    oldest = carry_over(np.zeros(4, int), np.array([0, 0, 1, 1]), np.array([7, 3]))
    assert (most.tolist(), oldest.tolist()) == ([1], [1])


def test_a_split_keeps_the_id_where_most_members_are() -> None:
    found = carry_over(labels(["a", "b", "b", "c"]), np.zeros(4, int), np.array([0]))
    assert found.tolist() == [-1, 0, -1]


def test_the_assignment_is_the_best_one_not_a_greedy_one() -> None:
    # Greedily the first new group would take old group 0 (3 shared) and leave 2 + 2 products.
    new = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    old = np.array([0, 0, 0, 1, 1, 0, 0, 0])
    assert carry_over(new, old, np.array([0, 1])).tolist() == [1, 0]


def test_ids_keep_the_rules_of_feeds() -> None:
    ids = [new_id("v1", [str(one)]) for one in range(2000)]
    assert len({one.casefold() for one in ids}) == 2000
    assert all(one.isascii() and one.isalnum() and len(one) <= 50 for one in ids)
    assert new_id("v1", ["b", "a"]) == new_id("v1", ["a", "b"]) != new_id("v2", ["a", "b"])


def step(
    before: pd.DataFrame, label: np.ndarray, names: np.ndarray, version: int, opened: dict[str, int]
) -> pd.DataFrame:
    """One version after another, with ids as `ml.catalogue.memory` gives them."""
    ids = sorted(set(before["group"]))
    group = before.set_index("product_id")["group"].reindex(names)
    earlier = np.array([ids.index(one) if isinstance(one, str) else -1 for one in group])
    order = sorted(ids, key=lambda one: (opened[one], one))
    age = np.array([order.index(one) for one in ids], dtype=int)
    carried = carry_over(label, earlier, age)
    found = []
    for place, old in enumerate(carried):
        name = ids[old] if old >= 0 else new_id(str(version), list(names[label == place]))
        opened.setdefault(name, version)
        found.append(name)
    return pd.DataFrame({"product_id": names, "group": np.array(found, object)[label]})


@pytest.mark.parametrize("seed", range(8))
def test_ids_over_random_sequences(seed: int) -> None:
    draw, opened = np.random.default_rng(seed), dict[str, int]()
    table, retired = pd.DataFrame({"product_id": [], "group": []}, dtype=object), set[str]()
    names = np.array([f"p{one}" for one in range(12)], dtype=object)
    label = labels(draw.integers(0, 5, 12).astype(str).tolist())
    for version in range(12):
        after = step(table, label, names, version, opened)
        assert after.groupby("group").ngroups == label.max() + 1  # no id is given to two groups
        assert not set(after["group"]) & retired  # no id comes back
        gone = retirements(table, after)
        assert set(gone["group"]) == set(table["group"]) - set(after["group"])
        assert set(gone["successor"].dropna()) <= set(after["group"])
        retired |= set(gone["group"])
        listed = changes(table, after.assign(reason="test"))
        _explains(table, after, listed)
        assert step(after, label, names, version + 1, dict(opened)).equals(after)  # nothing moves
        table = after
        kept = draw.random(len(names)) > 0.15
        names = np.append(names[kept], [f"n{version}.{one}" for one in range(draw.integers(0, 4))])
        moved = draw.random(len(names)) < 0.3
        old = table.set_index("product_id")["group"].reindex(names).fillna("none").to_numpy(object)
        old[moved] = draw.choice(old, moved.sum()) if moved.any() else old[moved]
        label = labels(old.tolist())


def _explains(before: pd.DataFrame, after: pd.DataFrame, listed: pd.DataFrame) -> None:
    """Each product whose group has another id is in a row, itself or with its whole group."""
    rows = set(listed[["change", "other", "group"]].itertuples(index=False, name=None))
    itself = set(listed["product_id"])
    both = before.merge(after, on="product_id", how="outer", suffixes=("_before", "_after"))
    for product, old, new in both.fillna("")[
        ["product_id", "group_before", "group_after"]
    ].itertuples(index=False, name=None):
        whole = {("merged", old, new), ("split", old, new)}
        whole |= {("new", "", new)} if not old else set()
        whole |= {("retired", "", old)} if not new else set()
        assert (product in itself or bool(whole & rows)) == (old != new)
