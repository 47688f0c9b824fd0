"""What a promotion would change: products that move are counted as the literature defines it."""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml.promote.impact import Counts, measure_impact, sample_blocks, summary
from ml.promote.impact_page import CARDED, SHOWN, write_impact
from ml.promote.words import impact_words, share_words


def shop(count: int, article_type: str | list[str] = "Shirts") -> pd.DataFrame:
    ids = [f"p{place:03d}" for place in range(count)]
    table = pd.DataFrame({"product_id": ids, "brand": "Acme", "gender": "Women"})
    return table.assign(article_type=article_type)


def moves(before: str, after: str) -> Counts:
    """The counts of two groupings, each written as a letter for each product."""
    return measure_impact(shop(len(before)), np.array([*before]), np.array([*after])).counts


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("aabbc", "xxyyz", Counts(5, kept=2)),  # other names
        ("aabb", "xxxx", Counts(4, merged=1, moved=2)),
        ("aaabb", "xxxyy", Counts(5, kept=2)),
        ("aaaabb", "wwxxyy", Counts(6, kept=1, split=1, moved=2)),
        ("aab", "xxx", Counts(3, joined=1, moved=1)),  # the newcomer moves, and not the group
        ("aaa", "xxy", Counts(3, left=1, moved=1)),
        ("ab", "xx", Counts(2, joined=2, moved=1)),
        ("aaabbb", "xxyxyy", Counts(6, merged=2, split=2, moved=2)),
        ("", "", Counts()),
    ],
)
def test_groups_are_kept_merged_and_split_and_products_move(
    before: str, after: str, expected: Counts
) -> None:
    assert moves(before, after) == expected


def least_removed(before: tuple[int, ...], after: tuple[int, ...]) -> int:
    """The partition distance by its definition: products without which both are equal."""
    for count in range(len(before) + 1):
        for gone in itertools.combinations(range(len(before)), count):
            stay = [place for place in range(len(before)) if place not in gone]
            if all(
                (before[one] == before[other]) == (after[one] == after[other])
                for one, other in itertools.combinations(stay, 2)
            ):
                return count
    raise AssertionError


GROUPINGS = st.integers(1, 6).flatmap(
    lambda count: st.tuples(*[st.tuples(*[st.integers(0, 3)] * count)] * 2)
)


@settings(max_examples=150, deadline=None)
@given(GROUPINGS)
def test_the_products_that_move_are_the_partition_distance_and_it_is_symmetric(
    groupings: tuple[tuple[int, ...], tuple[int, ...]],
) -> None:
    before, after = groupings
    products = shop(len(before))
    one, other = (
        measure_impact(products, np.array(old), np.array(new)).counts
        for old, new in ((before, after), (after, before))
    )
    assert one.moved == other.moved == least_removed(before, after)
    assert (one.merged, one.split, one.joined, one.left) == (
        (other.split, other.merged, other.left, other.joined)
    )
    assert (one.moved == 0) == (one.merged == one.split == one.joined == one.left == 0)


@settings(max_examples=50, deadline=None)
@given(GROUPINGS, st.randoms(use_true_random=False))
def test_neither_the_order_of_products_nor_the_names_of_groups_change_the_impact(
    groupings: tuple[tuple[int, ...], tuple[int, ...]], random: object
) -> None:
    before, after = (np.array(one) for one in groupings)
    products, order = shop(len(before)), np.arange(len(before))
    random.shuffle(order)  # type: ignore[attr-defined]
    first = measure_impact(products, before, after)
    again = measure_impact(products.iloc[order], 9 - before[order], after[order])
    assert again.counts == first.counts

    def named(groups: list[list[int]]) -> list[list[int]]:
        return [order[group].tolist() for group in groups]

    changes = [(named(one.before), named(one.after), one.moved) for one in again.changes]
    assert changes == [tuple(one) for one in first.changes]


def test_the_largest_changes_come_first_and_article_types_add_up() -> None:
    products = shop(9, ["Caps"] * 2 + ["Shirts"] * 7)
    impact = measure_impact(products, np.array([*"abccddeef"]), np.array([*"aacccceef"]))
    assert [one.moved for one in impact.changes] == [2, 1]
    assert impact.changes[0].before == [[2, 3], [4, 5]]
    assert impact.changes[0].after == [[2, 3, 4, 5]]
    types = impact.article_types
    assert list(types) == ["Caps", "Shirts"]
    assert types["Caps"] == Counts(2, joined=2, moved=1)
    assert sum(one.moved for one in types.values()) == impact.counts.moved == 3


def test_only_corrections_that_the_grouping_before_keeps_are_violated_by_the_one_after() -> None:
    rows = [
        ("p000", "p001", 1),  # kept, then apart
        ("p000", "p002", 1),  # apart in both
        ("p002", "p003", 0),  # kept, then together
        ("p001", "p003", 0),  # kept in both
        ("p000", "gone", 1),
    ]
    corrections = pd.DataFrame(rows, columns=["left", "right", "same"])
    found = measure_impact(shop(4), np.array([*"aabc"]), np.array([*"abcc"]), corrections)
    assert [tuple(one) for one in found.violations] == [
        ("p000", "p001", True),
        ("p002", "p003", False),
    ]


def test_the_sample_is_of_whole_blocks_and_the_same_whatever_else_the_catalogue_holds() -> None:
    random = np.random.default_rng(0)
    products = shop(300).assign(brand=random.integers(0, 40, 300).astype(str))
    chosen = products.iloc[sample_blocks(products, 100)]
    assert 50 < len(chosen) <= 100
    whole = products[products["brand"].isin(chosen["brand"])]
    assert len(whole) == len(chosen)
    mixed = products.sample(frac=1, random_state=0)
    again = mixed.iloc[sample_blocks(mixed, 100)]
    assert set(again["product_id"]) == set(chosen["product_id"])
    assert len(sample_blocks(products, 300)) == 300
    large = shop(10)
    assert not len(sample_blocks(large, 9))  # a block is whole or absent


def test_shares_that_are_not_nothing_never_read_as_nothing() -> None:
    words = [share_words(one) for one in (0.0, 0.0001, 0.031, 1.0)]
    assert words == ["0.0 %", "less than 0.1 %", "3.1 %", "100.0 %"]
    impact = measure_impact(shop(4), np.array([*"aabb"]), np.array([*"aaaa"]))
    assert impact_words(summary(impact, "the catalogue shop", 0)).startswith(
        "50.0 % of 4 products would move: 0 groups kept, 1 merged, 0 split"
    )
    assert impact_words(summary(impact, "the catalogue shop", 0, 1)).startswith(
        "50.0 % of 4 products would move, 25.0 % at the next grouping: 0 groups kept"
    )


def test_the_page_holds_the_largest_changes_and_the_json_the_counts(tmp_path: Path) -> None:
    before, after = (np.arange(120) // size for size in (2, 4))
    impact = measure_impact(shop(120), before, after)
    facts = {"champion": "a/1", "challenger": "b/2", "catalogue": "<shop>", "left_out": 3}
    facts |= {"limit": 0.3, "mode": "report", "at_once": 12}
    write_impact(impact, shop(120), facts, tmp_path, lambda place: None)
    found = json.loads((tmp_path / "impact.json").read_text())
    assert (found["moved"], found["share"], found["merged"]) == (60, 0.5, 30)
    assert found["changes"][0]["before"] == [["p000", "p001"], ["p002", "p003"]]
    cards = json.loads((tmp_path / "impact_cards.json").read_text())
    largest = found["changes"][:CARDED]
    assert sorted(cards) == sorted(
        one for each in largest for group in each["before"] for one in group
    )
    assert cards["p000"]["picture"].startswith("data:image/jpeg")
    page = (tmp_path / "impact.html").read_text()
    assert page.count('class="sides"') == SHOWN == 24
    assert "24 of 30 changes are shown" in page
    assert "The next grouping would move 12 products\n(10.0 %)" in page
    assert "&lt;shop&gt;" in page
    assert "<shop>" not in page
