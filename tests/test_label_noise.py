"""Labels that are probably wrong are found, and cycles among them; none is changed."""

import numpy as np
import pytest

from ml.annotate.label_noise import cycles, implied, label_doubts
from ml.annotate.pair_features import pair_features
from ml.annotate.pair_scan import View
from ml.core.errors import UserError


def made_up(seed: int, designs: int = 120) -> tuple[np.ndarray, ...]:
    """Pairs of an easy shop: the three products of two designs of a block, ten blocks a brand."""
    random = np.random.default_rng(seed)
    middle = random.normal(size=(designs, 16)).repeat(3, axis=0)
    vectors = middle + 0.5 * random.normal(size=middle.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    design = np.arange(3 * designs) // 3
    block = design // 2
    left, right = (
        np.concatenate([6 * number + side for number in range(designs // 2)])
        for side in np.triu_indices(6, 1)
    )
    view = View(lambda members: vectors[members], 0.5, np.ones(len(block), bool))
    return (
        left,
        right,
        design[left] == design[right],
        block,
        pair_features(view, block, left, right),
    )


@pytest.mark.parametrize("seed", range(3))
def test_flipped_labels_of_an_easy_shop_come_first(seed: int) -> None:
    left, right, same, block, features = made_up(seed)
    random = np.random.default_rng(seed)
    flipped = random.permutation(len(same)) < len(same) // 20
    said = same ^ flipped
    before = said.copy()
    found = label_doubts(features, left, right, said, block[left] // 10)
    first = np.argsort(found.quality)[: len(same) // 10]
    assert flipped[first].sum() >= 0.9 * flipped.sum()
    assert flipped[found.wrong].mean() > 0.5
    assert (said == before).all()


def test_one_brand_is_enough_and_too_few_pairs_are_refused() -> None:
    left, right, same, block, features = made_up(0)
    found = label_doubts(features, left, right, same, np.zeros(len(left)))
    assert ((found.quality >= 0) & (found.quality <= 1)).all()
    with pytest.raises(UserError, match="too few"):
        label_doubts(features[:30], left[:30], right[:30], same[:30], block[left[:30]])
    with pytest.raises(UserError, match="too few"):
        label_doubts(features, left, right, np.ones(len(left), bool), block[left])


def test_other_labels_say_what_follows_from_them() -> None:
    #                 0=1  1=2  0≠2  2≠3  4=5
    left, right = np.array([[0, 1], [1, 2], [0, 2], [2, 3], [4, 5]]).T
    same = np.array([True, True, False, False, True])
    assert implied(left, right, same).tolist() == [[0, 1], [0, 1], [1, 0], [0, 0], [0, 0]]


def test_cycles_are_found_by_their_shortest_chain_and_nothing_else_is_one() -> None:
    pairs = [("a", "b", True), ("b", "c", True), ("c", "d", True), ("a", "c", True),
             ("d", "a", False), ("e", "f", False), ("a", "e", False)]  # fmt: skip
    assert cycles(pairs) == [["d", "c", "a"]]
    assert cycles([]) == []


def test_features_are_those_of_a_table_that_is_computed_pair_by_pair() -> None:
    left, right, _, block, _ = made_up(1, designs=8)
    random = np.random.default_rng(1)
    vectors = random.normal(size=(24, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    view = View(lambda members: vectors[members], 0.5, np.ones(24, bool))
    features = pair_features(view, block, left, right)
    for row, one, other in zip(features, left, right, strict=True):
        mates = np.flatnonzero(block == block[one])
        cosine = vectors @ vectors.T
        nearer = sorted(
            sum(cosine[end, mate] > cosine[one, other] + 1e-6 for mate in mates if mate != end)
            for end in (one, other)
        )
        assert row[0] == pytest.approx(cosine[one, other], abs=1e-5)
        assert np.expm1(row[1:3]) == pytest.approx(nearer)
        assert np.exp(row[3]) == pytest.approx(len(mates))
