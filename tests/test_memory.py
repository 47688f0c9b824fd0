"""Groups have a memory: they keep ids and members, and change only with a reason."""

import numpy as np
import pytest
from catalogue import Shop, grouper, groups, together

from ml.catalogue.memory import BY_MEAN, BY_MODEL, CORRECTED, NEWS, Said
from ml.catalogue.versions import Version
from ml.grouping.grouping import CLUSTERINGS, ClusteringName


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_the_same_input_twice_changes_nothing(clustering: ClusteringName) -> None:
    shop, how = Shop(0), grouper(clustering)
    first = shop.group(how=how)
    second = shop.group(first, how)
    assert second.products.equals(first.products)
    assert not len(second.changes) and not len(second.retired)
    assert 1 < first.products["group"].nunique() < len(first.products)


@pytest.mark.parametrize("clustering", ["average", "complete", "mutual"])
def test_looked_at_again_in_full_the_same_input_changes_no_group(
    clustering: ClusteringName,
) -> None:
    shop, how = Shop(1), grouper(clustering)
    first = shop.group(how=how)
    assert groups(shop.group(first, how, all_blocks=True)).equals(groups(first))


def test_another_model_that_sees_the_same_keeps_every_id() -> None:
    shop = Shop(2)
    first = shop.group()
    second = shop.group(first, grouper(files="another"))
    assert groups(second).equals(groups(first))


@pytest.mark.parametrize("seed", range(4))
def test_newcomers_join_or_open_groups_and_the_others_stay_where_they_are(seed: int) -> None:
    shop = Shop(seed)
    before = shop.group()
    new = shop.add(4)
    after = shop.group(before)
    old = groups(after).drop(new)
    assert (old == groups(before)).mean() > 0.9
    told = after.changes
    listed = set(told["product_id"]) | set(groups(after)[groups(after).isin(told["group"])].index)
    assert set(new) <= listed
    assert set(told["reason"]) <= {NEWS, BY_MEAN}
    untouched = set(after.products["brand"]) - set(
        after.products.set_index("product_id").loc[new, "brand"]
    )
    for brand in untouched:
        names = before.products.loc[before.products["brand"] == brand, "product_id"]
        assert groups(after)[names].equals(groups(before)[names])


def test_a_group_splits_only_beyond_the_margin() -> None:
    shop = Shop(3, 30)
    before = shop.group()
    pair = next(one for one in together(before) if len(one) == 2)
    left, right = sorted(pair)
    block = shop.rows[int(left[1:])]["brand"]
    mates = [row for row in shop.rows if row["brand"] == block]
    mean = before.means.set_index("brand").loc[block]
    base = mean["total"] / (mean["products"] + 20)
    one = shop.vectors[f"picture of {left}"] - base

    def move(distance: float) -> Version:
        """The second product is so far from the first, relative to the block."""
        unit = one / np.linalg.norm(one)
        other = np.linalg.svd(unit[None])[2][1]
        vector = (1 - distance) * unit + np.sqrt(1 - (1 - distance) ** 2) * other
        shop.vectors[f"picture of {right}"] = vector * 0.9 + base
        return shop.group(before, all_blocks=True)

    assert len(mates) > 2
    assert groups(move(0.53))[left] == groups(move(0.53))[right]
    assert groups(move(0.57))[left] != groups(move(0.57))[right]


def test_removed_products_are_told_and_their_ids_never_come_back() -> None:
    shop = Shop(4)
    before = shop.group()
    lone = groups(before).groupby(groups(before)).filter(lambda one: len(one) == 1).index[0]
    row = next(one for one in shop.rows if one["product_id"] == lone)
    shop.rows.remove(row)
    without = shop.group(before)
    assert without.retired["group"].tolist() == [groups(before)[lone]]
    assert without.changes.query("change == 'retired'")["group"].tolist() == [groups(before)[lone]]
    shop.rows.append(row)
    back = shop.group(without)
    assert groups(back)[lone] not in set(groups(before))


def test_a_product_whose_picture_breaks_stays_in_its_group() -> None:
    shop = Shop(5)
    before = shop.group()
    name = sorted(next(one for one in together(before) if len(one) > 2))[0]
    shop.rows[int(name[1:])]["problem"] = "the file is empty"
    after = shop.group(before)
    assert groups(after)[name] == groups(before)[name]
    band = after.products.set_index("product_id")["band"]
    assert band[groups(after) == groups(after)[name]].nunique() == 1


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_what_people_say_holds_and_is_the_reason(clustering: ClusteringName) -> None:
    shop, how = Shop(6), grouper(clustering)
    before = shop.group(how=how)
    names = before.products["product_id"].tolist()
    brand = before.products["brand"].tolist()
    pair = sorted(next(one for one in together(before) if len(one) > 1))[:2]
    apart = [names.index(one) for one in pair]
    here = [place for place, one in enumerate(brand) if one != brand[apart[0]]]
    first = here[0]
    other = next(
        one
        for one in here
        if brand[one] == brand[first] and groups(before).iloc[one] != groups(before).iloc[first]
    )
    named = np.isin(np.arange(len(names)), [first, other, *apart])
    said = Said(np.array([[first, other]]), np.array([apart]), np.full(len(names), -1), named)
    for version in (shop.group(before, how, said=said), shop.group(None, how, said=said)):
        assert groups(version).iloc[first] == groups(version).iloc[other]
        assert groups(version).iloc[apart[0]] != groups(version).iloc[apart[1]]
    again = shop.group(before, how, said=said)
    assert CORRECTED in set(again.changes["reason"])
    assert not len(shop.group(again, how, said=said, heard=True).changes)


def test_a_locked_group_neither_grows_nor_shrinks() -> None:
    shop = Shop(7)
    before = shop.group()
    chosen = sorted(next(one for one in together(before) if len(one) > 1))
    design = shop.vectors[f"picture of {chosen[0]}"]
    new = shop.add(1)[0]
    shop.rows[-1]["brand"] = shop.rows[int(chosen[0][1:])]["brand"]
    shop.vectors[f"picture of {new}"] = design
    names = [row["product_id"] for row in shop.rows]
    locked = np.where(np.isin(names, chosen), 0, -1)
    nothing = np.zeros((0, 2), int)
    after = shop.group(before, said=Said(nothing, nothing, locked, locked >= 0))
    assert set(groups(after)[groups(after) == groups(before)[chosen[0]]].index) == set(chosen)
    assert groups(shop.group(before))[new] == groups(before)[chosen[0]]


def test_another_model_is_the_reason_of_its_changes() -> None:
    shop = Shop(8)
    before = shop.group()
    shop.vectors = {key: shop.draw.permutation(one) for key, one in shop.vectors.items()}
    after = shop.group(before, grouper(files="another"))
    assert set(after.changes["reason"]) == {BY_MODEL}


@pytest.mark.parametrize("clustering", CLUSTERINGS)
def test_kept_in_half_the_bits_embeddings_give_the_same_groups(clustering: ClusteringName) -> None:
    """The store keeps float16: what is lost decides no group."""
    for seed in range(10):
        shop, how = Shop(seed), grouper(clustering)
        assert together(shop.group(how=how)) == together(shop.group(how=how, dtype=np.float32))


@pytest.mark.parametrize("seed", range(3))
def test_no_group_spans_two_blocks_whatever_breaks_and_moves_in_one_night(seed: int) -> None:
    shop = Shop(seed)
    before = shop.group()
    for row in shop.rows:
        row["problem"] = "the file is empty" if shop.draw.random() < 0.5 else None
        row["brand"] = "another" if shop.draw.random() < 0.4 else row["brand"]
    after = shop.group(before).products
    assert after.groupby("group")["brand"].nunique().max() == 1
    unseen = after.assign(was=groups(before).to_numpy())[after["problem"].notna()]
    for _, mates in unseen.groupby(["was", "brand"]):
        assert mates["group"].nunique() == 1  # nobody has seen a reason to part them


@pytest.mark.parametrize("seed", range(3))
def test_locked_groups_are_exact_whatever_leaves_breaks_and_comes_back(seed: int) -> None:
    shop = Shop(seed)
    version, rows = shop.group(), list(shop.rows)
    locks = sorted(sorted(one) for one in together(version) if len(one) > 1)[::2]
    lock_of = {name: number for number, lock in enumerate(locks) for name in lock}
    nothing = np.zeros((0, 2), int)
    for _ in range(5):
        shop.rows = [row for row in rows if shop.draw.random() < 0.7]
        for row in shop.rows:
            row["problem"] = "the file is empty" if shop.draw.random() < 0.5 else None
        names = [row["product_id"] for row in shop.rows]
        locked = np.array([lock_of.get(name, -1) for name in names])
        version = shop.group(version, said=Said(nothing, nothing, locked, locked >= 0), heard=True)
        for lock in locks:
            here = frozenset(lock) & frozenset(names)
            assert not here or here in together(version)


def test_nobody_is_attached_to_a_lock() -> None:
    shop = Shop(5)
    before = shop.group()
    chosen = next(one for one in sorted(map(sorted, together(before))) if len(one) > 2)
    shop.rows[int(chosen[0][1:])]["problem"] = "the file is empty"
    names = [row["product_id"] for row in shop.rows]
    locked = np.where(np.isin(names, chosen[1:]), 0, -1)  # said while the version was being made
    nothing = np.zeros((0, 2), int)
    after = shop.group(before, said=Said(nothing, nothing, locked, locked >= 0))
    assert frozenset(chosen[1:]) in together(after)
