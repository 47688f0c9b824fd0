"""Which groups are published follows from probabilities that hold in a whole catalogue."""

import numpy as np
import pytest
from scipy.special import expit

from ml.data.annotations import PairSet, pairs_within
from ml.evaluate import base_rate
from ml.evaluate.bands import choose_publish, group_scores, published
from ml.evaluate.base_rate import block_similarities, variants_by_em, variants_of
from ml.evaluate.complete_blocks import CompleteBlocks
from ml.grouping.calibration import Calibration, fit_calibration
from ml.grouping.grouping import Grouping

SIZES = (4, 12, 40, 150)  # products of a block


def catalogue(variants: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, blocks and designs of a catalogue.

    Designs of two products are so many that a product has `variants` in its block on average.
    """
    random = np.random.default_rng(seed)
    block = np.repeat(np.arange(len(SIZES) * 8), SIZES * 8)
    design = np.arange(len(block))
    for value in np.unique(block):
        members = np.flatnonzero(block == value)
        pairs = round(len(members) * variants / 2)
        design[members[: 2 * pairs]] = np.repeat(members[0:pairs], 2)
    looks = random.normal(size=(len(block), 32))[design]
    embeddings = looks + 0.7 * random.normal(size=looks.shape)
    return embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True), block, design


def fitted(seed: int) -> Calibration:
    """A calibration on annotated pairs, of which a third are variants."""
    embeddings, block, design = catalogue(0.5, seed)
    left, right = pairs_within(block)
    same = design[left] == design[right]
    few = np.random.default_rng(seed).permutation(np.flatnonzero(~same))[: 2 * same.sum()]
    chosen = np.concatenate([np.flatnonzero(same), few])
    similarity = np.einsum("nd,nd->n", embeddings[left[chosen]], embeddings[right[chosen]])
    return fit_calibration(similarity, same[chosen])


def test_the_base_rate_of_a_pair_falls_with_the_size_of_its_block() -> None:
    calibration = Calibration(8.0, -3.0, annotated=0.2, variants=0.9)
    similarity = np.array([0.3, 0.3])
    found = calibration.probability(similarity, np.array([10, 100]))
    odds = [expit(8 * 0.3 - 3 + np.log(rate / (1 - rate) / 0.25)) for rate in (0.1, 0.9 / 99)]
    np.testing.assert_allclose(found, odds)
    at_even_odds = expit(8 * 0.3 - 3 + np.log(1 / 0.25))  # a block of two need not be one design
    np.testing.assert_allclose(calibration.probability(similarity, 2), at_even_odds)


def test_similarities_of_all_pairs_of_a_block_are_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base_rate, "ROWS", 7)
    embeddings, block, _ = catalogue(0.5)
    found = block_similarities(embeddings, block)
    left, right = pairs_within(block)
    cosine = np.einsum("nd,nd->n", embeddings[left], embeddings[right])
    expected = np.histogram(cosine, base_rate.EDGES)[0]
    np.testing.assert_array_equal(found.pairs.sum(axis=0), expected)
    assert found.products[:, 0].tolist() == np.bincount(block).tolist()


@pytest.mark.parametrize("variants", [0.1, 0.5, 0.9])
def test_the_variants_of_a_catalogue_are_estimated_without_its_labels(variants: float) -> None:
    embeddings, block, _ = catalogue(variants)
    found = variants_by_em(fitted(seed=1), block_similarities(embeddings, block))
    assert found == pytest.approx(variants, abs=0.15)


def test_the_variants_of_complete_blocks_are_counted() -> None:
    block = np.array([0, 0, 0, 1, 1])
    left, right = pairs_within(block)
    design = np.array([0, 0, 1, 2, 2])
    pairs = PairSet(left, right, design[left] == design[right])
    truth = CompleteBlocks(np.arange(5), block, design, pairs, np.zeros((0, 2), int))
    assert variants_of([truth]) == pytest.approx(2 / (3 / 2 + 1))  # pairs, over 1 / (n − 1) of each
    alone = PairSet(left[1:3], right[1:3], np.zeros(2, bool))
    none = CompleteBlocks(np.arange(3), block[:3], np.arange(3), alone, np.zeros((0, 2), int))
    assert variants_of([none]) is None


@pytest.mark.parametrize("wanted", [0.6, 0.8, 0.95])
def test_published_groups_have_the_wanted_precision_in_another_catalogue(wanted: float) -> None:
    embeddings, block, _ = catalogue(0.4, seed=2)
    pairs = block_similarities(embeddings, block)
    calibration = fitted(seed=1)
    calibration = calibration._replace(variants=variants_by_em(calibration, pairs))
    group = Grouping(embeddings, block, "complete").cut(0.6)
    scores = group_scores(embeddings, block, group, calibration)
    chosen = choose_publish(*scores, wanted, calibration, pairs)
    assert chosen.precision is not None
    assert wanted <= chosen.precision < wanted + 0.02
    embeddings, block, design = catalogue(0.4, seed=3)
    group = Grouping(embeddings, block, "complete").cut(0.6)
    score, count = group_scores(embeddings, block, group, calibration)
    assert (np.isnan(score) == (count == 0)).all()
    kept = published(group, score, chosen.score)
    left, right = pairs_within(block)
    together, same = kept[left] == kept[right], design[left] == design[right]
    assert same[together].mean() == pytest.approx(wanted, abs=0.12)
    assert same[together].sum() / same.sum() == pytest.approx(chosen.recall, abs=0.15)


def test_without_a_group_that_is_good_enough_none_is_published() -> None:
    embeddings, block, _ = catalogue(0.4)
    pairs, doubtful = block_similarities(embeddings, block), Calibration(1.0, -3.0, 0.5)
    group = Grouping(embeddings, block, "complete").cut(0.6)
    scores = group_scores(embeddings, block, group, doubtful)
    chosen = choose_publish(*scores, 0.95, doubtful, pairs)
    assert (chosen.score, chosen.precision, chosen.recall, chosen.groups) == (None, None, 0, 0)
    assert chosen.of == (scores[1] > 0).sum()
    kept = published(group, scores[0], None)
    assert len(np.unique(kept)) == len(kept)
