"""Every clustering keeps to blocks and thresholds, and correlation clustering finds good groups."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from benchmarks.grouping import choose, halve, judge
from ml.data.annotations import components
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.threshold import ari_by_threshold, pick_threshold
from ml.grouping.calibration import Calibration
from ml.grouping.correlation import contract_greedily
from ml.grouping.grouping import (
    CANDIDATES,
    CLUSTERINGS,
    ClusteringName,
    Grouping,
)
from ml.grouping.hierarchical import NEIGHBOURS

CLUSTERING_NAMES: tuple[ClusteringName, ...] = get_args(ClusteringName)
every_clustering = pytest.mark.parametrize("clustering", CLUSTERING_NAMES)
seeds = st.integers(0, 2**32 - 1)
few_examples = settings(deadline=None, max_examples=40)


def unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / lengths, dtype=np.float32)


def shop(
    seed: int, count: int = 40, size: int = 6, blocks: int = 4
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Embeddings, block and design of products; a design is in one block."""
    random = np.random.default_rng(seed)
    design = random.integers(0, count // 3, count)
    centers = random.normal(size=(count, size))
    embeddings = unit(centers[design] + 0.5 * random.normal(size=(count, size)))
    return embeddings, design % blocks, renumbered(design)


def renumbered(group: np.ndarray) -> np.ndarray:
    """Groups numbered from 0 in the order of their first members."""
    _, first, inverse = np.unique(group, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse])


def distances(embeddings: np.ndarray) -> np.ndarray:
    return np.asarray(1 - embeddings.astype(float) @ embeddings.T.astype(float))


def weights(seed: int, count: int) -> np.ndarray:
    half = np.triu(np.random.default_rng(seed).normal(size=(count, count)), 1)
    return np.asarray(half + half.T)


def worth(weight: np.ndarray, group: np.ndarray) -> float:
    """The sum of weights over all pairs within groups."""
    return float(weight[np.triu(group[:, None] == group, 1)].sum())


def partitions(count: int) -> list[np.ndarray]:
    found = [[0]]
    for _ in range(count - 1):
        found = [[*one, group] for one in found for group in range(max(one) + 2)]
    return [np.array(one) for one in found]


def test_the_param_offers_every_clustering_that_there_is() -> None:
    assert set(CLUSTERINGS) == set(CLUSTERING_NAMES)


@every_clustering
@given(seed=seeds, threshold=st.floats(0, 2))
@few_examples
def test_products_of_different_blocks_are_never_grouped(
    clustering: ClusteringName, seed: int, threshold: float
) -> None:
    embeddings, block, _ = shop(seed)
    group = Grouping(embeddings, block, clustering).cut(threshold)
    assert all(len(set(block[group == one])) == 1 for one in set(group))
    assert (group == renumbered(group)).all()
    for one in set(block):  # and a block's groups do not depend on the others
        alone = Grouping(embeddings[block == one], block[block == one], clustering).cut(threshold)
        assert (renumbered(group[block == one]) == alone).all()


@every_clustering
@given(seed=seeds, threshold=st.floats(0, 2))
@few_examples
def test_the_order_of_products_does_not_matter(
    clustering: ClusteringName, seed: int, threshold: float
) -> None:
    embeddings, block, _ = shop(seed)
    order = np.random.default_rng(seed).permutation(len(embeddings))
    group = Grouping(embeddings[order], block[order], clustering).cut(threshold)
    assert (
        renumbered(group[np.argsort(order)])
        == Grouping(embeddings, block, clustering).cut(threshold)
    ).all()


@every_clustering
def test_a_threshold_near_zero_groups_equal_products_and_no_others(
    clustering: ClusteringName,
) -> None:
    embeddings, block, _ = shop(0)
    twice, blocks = np.concatenate([embeddings, embeddings, embeddings]), np.tile(block, 3)
    assert (
        Grouping(twice, blocks, clustering).cut(1e-6) == np.tile(np.arange(len(embeddings)), 3)
    ).all()
    group = Grouping(twice, blocks, clustering).cut(0)
    assert all(len(set(np.flatnonzero(group == one) % len(embeddings))) == 1 for one in set(group))


@pytest.mark.parametrize("clustering", ["average", "complete", "correlation"])
def test_a_threshold_of_two_groups_whole_blocks(clustering: ClusteringName) -> None:
    embeddings, block, _ = shop(0)
    opposite, blocks = np.concatenate([embeddings, -embeddings]), np.tile(block, 2)
    for threshold in (2, 5):
        assert (Grouping(opposite, blocks, clustering).cut(threshold) == renumbered(blocks)).all()


def test_mutual_neighbours_group_whole_blocks_at_two_only_if_nearness_links_them() -> None:
    random = np.random.default_rng(0)
    # Two bunches of products in one block, far from each other.
    far = unit(np.repeat(np.eye(2), 10, axis=0) + 0.05 * random.normal(size=(20, 2)))
    for threshold in (2, 5):
        few = Grouping(far[[0, 5, 10, 15]], np.zeros(4, int), "mutual").cut(threshold)
        assert len(set(few)) == 1
        group = Grouping(far, np.zeros(20, int), "mutual").cut(threshold)
        assert not set(group[:10]) & set(group[10:])


@given(seed=seeds, threshold=st.floats(0, 2))
@few_examples
def test_mutual_neighbours_are_the_components_of_their_graph(seed: int, threshold: float) -> None:
    embeddings, _, _ = shop(seed, count=20)
    distance = distances(embeddings)
    nearest = np.argsort(distance + 9 * np.eye(20), axis=1)[:, :NEIGHBOURS]
    # near[i, j]: i is among the nearest neighbours of j.
    near = (np.arange(20)[:, None, None] == nearest).any(axis=2)
    edges = near & near.T & (distance <= threshold)
    expected = renumbered(components(20, *np.nonzero(edges)))
    assert (Grouping(embeddings, np.zeros(20, int), "mutual").cut(threshold) == expected).all()


@given(seed=seeds, threshold=st.floats(0, 2))
@few_examples
def test_groups_of_complete_linkage_hold_no_pair_beyond_the_threshold(
    seed: int, threshold: float
) -> None:
    embeddings, block, _ = shop(seed)
    group = Grouping(embeddings, block, "complete").cut(threshold)
    assert (distances(embeddings)[group[:, None] == group] <= threshold + 1e-6).all()


@pytest.mark.parametrize("clustering", ["average", "correlation"])
@given(seed=seeds, threshold=st.floats(0, 1.5))
@few_examples
def test_no_two_groups_are_left_apart_whose_mean_distance_is_within_the_threshold(
    clustering: ClusteringName, seed: int, threshold: float
) -> None:
    embeddings, _, _ = shop(seed, count=20)
    group = Grouping(embeddings, np.zeros(20, int), clustering).cut(threshold)
    member = np.eye(group.max() + 1)[group]
    mean = (
        member.T @ distances(embeddings) @ member / np.outer(member.sum(axis=0), member.sum(axis=0))
    )
    assert (mean[~np.eye(len(mean), dtype=bool)] > threshold - 1e-6).all()


@given(seed=seeds, count=st.integers(1, 3))
@few_examples
def test_contraction_finds_the_best_grouping_of_up_to_three(seed: int, count: int) -> None:
    weight = weights(seed, count)
    assert worth(weight, contract_greedily(weight)) == pytest.approx(
        max(worth(weight, one) for one in partitions(count))
    )


@given(seed=seeds)
@few_examples
def test_contraction_finds_the_best_grouping_where_no_pair_contradicts_another(seed: int) -> None:
    design = np.random.default_rng(seed).integers(0, 4, 7)
    weight = np.where(design[:, None] == design, 1, -1) * np.abs(weights(seed, 7))
    group = contract_greedily(weight)
    assert (renumbered(group) == renumbered(design)).all()
    assert worth(weight, group) == pytest.approx(max(worth(weight, one) for one in partitions(7)))


@given(seed=seeds)
@few_examples
def test_contraction_is_worth_no_less_than_nothing_grouped_and_no_more_than_the_best(
    seed: int,
) -> None:
    weight = weights(seed, 6)
    assert (
        0
        <= worth(weight, contract_greedily(weight))
        <= max(worth(weight, one) for one in partitions(6)) + 1e-9
    )


def test_of_equal_pairs_the_first_is_joined_so_that_two_runs_agree() -> None:
    # Joining 0 and 1 is worth as much as joining 1 and 2, and joining all three is worth nothing.
    chain = np.array([[0, 1, -2], [1, 0, 1], [-2, 1, 0.0]])
    assert contract_greedily(chain).tolist() == [0, 0, 2]


@given(seed=seeds, slope=st.floats(0.5, 50), threshold=st.floats(0.05, 1.5))
@few_examples
def test_weights_of_calibrated_probabilities_give_the_same_groups(
    seed: int, slope: float, threshold: float
) -> None:
    embeddings, _, _ = shop(seed, count=12)
    cosine = 1 - distances(embeddings)
    half_at_the_threshold = Calibration(slope, -slope * (1 - threshold), 0.1)
    probability = half_at_the_threshold.probability(cosine)
    odds = np.log(probability / (1 - np.minimum(probability, 1 - 1e-12)))
    found = Grouping(embeddings, np.zeros(12, int), "correlation").cut(threshold)
    if probability.max() < 1 - 1e-9:  # above, odds that differ are the same float
        assert (renumbered(contract_greedily(odds)) == found).all()


@every_clustering
def test_thresholds_worth_trying_are_few_increase_and_hold_a_good_one(
    clustering: ClusteringName,
) -> None:
    embeddings, block, design = shop(1, count=60)
    grouping = Grouping(embeddings, block, clustering)
    thresholds = grouping.thresholds()
    assert 1 < len(thresholds) <= CANDIDATES
    assert (np.diff(thresholds) > 0).all()
    assert 0 < thresholds[0] < thresholds[-1] <= 2
    one = np.ones((1, design.max() + 1))
    assert ari_by_threshold(grouping, design, one).max() > 0.3


def test_a_threshold_is_tried_between_the_last_link_of_mutual_neighbours_and_the_end() -> None:
    embeddings = unit(np.array([[1, 0.1], [1, -0.1], [-1, 0.1], [-1, -0.1], [0.1, 1], [-0.1, 1.0]]))
    grouping = Grouping(np.repeat(embeddings, 3, axis=0), np.zeros(18, int), "mutual")
    assert any(len(set(grouping.cut(value))) < 6 for value in grouping.thresholds())


@pytest.mark.parametrize("count", [0, 1])
@every_clustering
def test_tables_without_pairs_are_grouped_too(clustering: ClusteringName, count: int) -> None:
    grouping = Grouping(unit(np.ones((count, 3))), np.zeros(count, int), clustering)
    assert grouping.cut(0.3).tolist() == [0] * count
    assert len(grouping.thresholds()) == 1


@every_clustering
def test_the_chosen_threshold_is_the_lowest_of_those_with_the_best_ari(
    clustering: ClusteringName,
) -> None:
    embeddings, block, design = shop(2)
    resamples = Resamples(_Annotations(block, design), 1, 0)  # type: ignore[arg-type]
    chosen = Evaluation(embeddings, resamples, clustering).best_threshold
    grouping = Grouping(embeddings, block, clustering)
    thresholds = grouping.thresholds()
    ari = ari_by_threshold(grouping, design, np.ones((1, design.max() + 1)))[:, 0]
    assert chosen == thresholds[ari == ari.max()].min()


class _Annotations:
    def __init__(self, block: np.ndarray, design: np.ndarray) -> None:
        self.block, self.design = block, design


def test_a_chance_peak_is_passed_over_by_the_resamples_and_a_plateau_is_left_by_its_middle() -> (
    None
):
    thresholds = np.arange(8) / 10
    sample = np.array([0.1, 0.9, 0.1, 0.885, 0.89, 0.889, 0.5, 0.885])
    ari = np.stack([sample, sample, sample], axis=1)
    assert pick_threshold(thresholds, ari) == pytest.approx(0.1)
    # A plateau consists of neighbours.
    assert pick_threshold(thresholds, ari, "plateau") == pytest.approx(0.1)
    ari[1, 1:] = 0.2
    assert pick_threshold(thresholds, ari, "resampled") == pytest.approx(0.4)
    ari[1] = 0.1
    assert pick_threshold(thresholds, ari, "plateau") == pytest.approx(0.4)
    assert pick_threshold(thresholds, np.ones((8, 1)), "plateau") == pytest.approx(0.35)


def test_the_benchmark_chooses_by_one_half_of_the_designs_and_judges_by_the_other_alone() -> None:
    embeddings, block, design = shop(3)
    halves = halve(design, 3, seed=0)
    size = np.bincount(design)
    grouping = Grouping(embeddings, block)
    chosen = choose(grouping, design, halves, seed=0)
    thresholds = grouping.thresholds()
    groups = [grouping.cut(value) for value in thresholds]
    for place, half in enumerate(halves):
        assert (halves[place ^ 1] == ~half).all()
        for kind in (size >= 2, size < 2):
            assert abs(int(half[kind].sum()) - int((~half)[kind].sum())) <= 1
        inside = half[design]
        best = np.argmax([adjusted_rand_score(design[inside], group[inside]) for group in groups])
        assert chosen["best"][place] == thresholds[best]
        judged = judge(
            grouping, design, [thresholds[best]], halves[[place]], np.ones((1, len(size)))
        )
        expected = adjusted_rand_score(design[~inside], groups[best][~inside])
        assert judged["ari"][0] == pytest.approx(expected)
