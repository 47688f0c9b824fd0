"""Alpha spending: test pairs are recognised although a few have changed.

No number of comparisons spends more than the level.
"""

from itertools import combinations

import pytest

from ml.promote.alpha_spending import common_share, sketch, spendable, unspent


def pairs(count: int, start: int = 0) -> list[tuple[str, str, bool]]:
    return [(f"left{one}", f"right{one}", one % 3 == 0) for one in range(start, start + count)]


def test_what_comparisons_may_use_never_adds_up_to_more_than_the_level() -> None:
    spent = 0.0
    for comparison in range(1, 1000):
        spent += spendable(0.05, comparison)
        assert spent + unspent(0.05, comparison) == pytest.approx(0.05)
    assert spent < 0.05


def test_the_order_of_pairs_and_of_their_ends_does_not_matter_but_their_labels_do() -> None:
    turned = [(right, left, label) for left, right, label in reversed(pairs(300))]
    assert sketch(pairs(300)) == sketch(turned)
    other = [(left, right, not label) for left, right, label in pairs(300)]
    assert common_share(sketch(pairs(300)), sketch(other)) == 0.0


@pytest.mark.parametrize(
    ("moved", "share"), [(0, 1.0), (10, 490 / 510), (100, 400 / 600), (250, 250 / 750), (500, 0.0)]
)
def test_the_share_of_common_pairs_is_estimated(moved: int, share: float) -> None:
    found = common_share(sketch(pairs(500)), sketch(pairs(500, start=moved)))
    assert found == pytest.approx(share, abs=0.2)


def test_small_test_sets_are_compared_exactly() -> None:
    first, second = sketch(pairs(20)), sketch(pairs(20, start=5))
    assert common_share(first, second) == 15 / 25
    assert common_share("", "") == 0.0


def test_a_sketch_of_many_pairs_is_short_enough_for_a_tag() -> None:
    names = [f"picture{one}" for one in range(120)]
    assert len(sketch([(a, b, False) for a, b in combinations(names, 2)])) < 5000
