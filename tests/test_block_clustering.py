"""Clusterings of a block keep corrections and the groups of before, and are else those of scipy."""

import numpy as np
import pytest
from hypothesis import given
from test_grouping import every_clustering, few_examples, renumbered, seeds, unit

from ml.catalogue import block_clustering, cells, large_linkage, near_pairs
from ml.catalogue.block_clustering import NEWCOMER, Held, atoms, cluster_block
from ml.grouping.grouping import ClusteringName, Grouping

NONE = np.zeros((0, 2), dtype=int)


def block(random: np.random.Generator, count: int, size: int = 6) -> np.ndarray:
    centers = random.normal(size=(max(count // 3, 1), size))
    place = random.integers(0, len(centers), count)
    return unit(centers[place] + 0.5 * random.normal(size=(count, size)))


def constraints(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs that some hidden partition makes true, so that they never contradict each other."""
    truth, pairs = random.integers(0, 6, count), random.integers(0, count, (12, 2))
    same = truth[pairs[:, 0]] == truth[pairs[:, 1]]
    return pairs[same], pairs[~same]


def some_held(random: np.random.Generator, count: int) -> Held:
    return Held(
        random.integers(NEWCOMER, 5, count), random.uniform(0, 0.3), *constraints(random, count)
    )


@every_clustering
@given(seed=seeds)
@few_examples
def test_constraints_hold_and_are_closed(clustering: ClusteringName, seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(2, 40))
    held = some_held(random, count)
    group = cluster_block(block(random, count), clustering, random.uniform(0, 1.5), held)
    assert (group[held.same[:, 0]] == group[held.same[:, 1]]).all()
    assert (group[held.different[:, 0]] != group[held.different[:, 1]]).all()
    assert len(np.unique(group)) == group.max() + 1
    _, first = np.unique(group, return_index=True)
    assert (np.diff(first) > 0).all()


@every_clustering
@given(seed=seeds)
@few_examples
def test_without_held_these_are_the_groups_of_grouping(
    clustering: ClusteringName, seed: int
) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(1, 40))
    embeddings, threshold = block(random, count), random.uniform(0, 1.5)
    expected = Grouping(embeddings, np.zeros(count, int), clustering).cut(threshold)
    nothing = Held.nothing(count)
    groups_alone = Held(np.arange(count), 0.0, NONE, NONE)
    for held in (None, nothing, groups_alone):
        assert (cluster_block(embeddings, clustering, threshold, held) == expected).all()


@pytest.mark.parametrize("clustering", ["average", "complete", "mutual"])
@given(seed=seeds)
@few_examples
def test_the_same_products_again_keep_their_groups(clustering: ClusteringName, seed: int) -> None:
    random = np.random.default_rng(seed)
    count, threshold = int(random.integers(1, 40)), random.uniform(0, 1.5)
    embeddings = block(random, count)
    first = cluster_block(embeddings, clustering, threshold)
    held = Held(first, random.uniform(0.01, 0.5), NONE, NONE)
    assert (cluster_block(embeddings, clustering, threshold, held) == first).all()


@every_clustering
@given(seed=seeds)
@few_examples
def test_the_order_of_products_does_not_matter(clustering: ClusteringName, seed: int) -> None:
    random = np.random.default_rng(seed)
    count, threshold = int(random.integers(2, 40)), random.uniform(0, 1.5)
    embeddings, held = block(random, count), some_held(random, count)
    group = cluster_block(embeddings, clustering, threshold, held)
    order = random.permutation(count)
    place = np.argsort(order)
    moved = Held(held.earlier[order], held.margin, place[held.same], place[held.different])
    again = cluster_block(embeddings[order], clustering, threshold, moved)
    assert (np.equal.outer(again, again) == np.equal.outer(group[order], group[order])).all()


def test_hysteresis_moves_a_pair_only_beyond_the_margin() -> None:
    pair = unit(np.array([[1.0, 0.0], [0.8, 0.6]]))  # 0.2 apart
    for earlier, threshold, together in (
        ([0, 0], 0.11, True),
        ([0, 0], 0.09, False),
        ([0, 1], 0.29, False),
        ([0, 1], 0.31, True),
        ([0, NEWCOMER], 0.21, True),
        ([NEWCOMER, NEWCOMER], 0.19, False),
    ):
        for clustering in ("average", "complete", "mutual", "correlation"):
            held = Held(np.array(earlier), 0.1, NONE, NONE)
            group = cluster_block(pair, clustering, threshold, held)  # type: ignore[arg-type]
            assert (group[0] == group[1]) == together, (clustering, earlier, threshold)


def test_contradicting_constraints_are_refused_with_their_positions() -> None:
    same, different = np.array([[0, 1], [1, 2]]), np.array([[3, 0], [2, 0]])
    with pytest.raises(ValueError, match="2 and 0"):
        atoms(4, Held(np.zeros(4, int), 0.1, same, different))


def small_tiles(monkeypatch: pytest.MonkeyPatch, pairs: int) -> None:
    """Any block counts as large, and is taken in many tiles and few pairs at once."""
    monkeypatch.setattr(block_clustering, "LARGE", 0)
    for module, name, value in (
        (near_pairs, "TILE", 16),
        (large_linkage, "TILE", 16),
        (near_pairs, "PAIRS", pairs),
        (large_linkage, "CHUNK", 7),
    ):
        monkeypatch.setattr(module, name, value)


def partition(group: np.ndarray) -> list[int]:
    return renumbered(group).tolist()


@pytest.mark.parametrize("clustering", ["average", "complete", "mutual"])
@pytest.mark.parametrize("pairs", [10**6, 40])
@pytest.mark.parametrize("constrained", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_a_large_block_has_the_groups_of_the_matrix_of_its_distances(
    clustering: ClusteringName,
    pairs: int,
    constrained: bool,
    seed: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(seed)
    count, threshold = int(random.integers(5, 150)), random.uniform(0, 0.99)
    embeddings = block(random, count)
    if not constrained:  # with constraints, copies of a picture tie
        embeddings[random.integers(0, count, count // 4)] = embeddings[0]  # more than fit a tile
        embeddings[random.integers(0, count, 2)] = 0  # as of pictures that cannot be read
    held = some_held(random, count) if constrained else None
    expected = cluster_block(embeddings, clustering, threshold, held)
    small_tiles(monkeypatch, pairs)
    found = cluster_block(embeddings, clustering, threshold, held)
    assert partition(found) == partition(expected)


@pytest.mark.parametrize("seed", range(8))
def test_correlation_clustering_of_a_large_block_goes_component_by_component(
    seed: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(seed)
    count, threshold = int(random.integers(5, 150)), random.uniform(0, 0.9)
    embeddings, held = block(random, count), some_held(random, count)
    embeddings[0] = 0  # alone unless a correction joins it: no component is the whole block
    held.earlier[0] = NEWCOMER
    held = held._replace(same=held.same[(held.same != 0).all(axis=1)])
    expected = cluster_block(embeddings, "correlation", threshold, held)
    small_tiles(monkeypatch, 10**6)
    monkeypatch.setattr(block_clustering, "LARGE", count - 1)
    found = cluster_block(embeddings, "correlation", threshold, held)
    assert partition(found) == partition(expected)
    assert not capsys.readouterr().out


def test_a_component_too_large_for_correlation_clustering_gets_average_linkage_and_a_warning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    embeddings, held = block(random, 60), some_held(random, 60)
    expected = cluster_block(embeddings, "average", 0.8, held)
    small_tiles(monkeypatch, 10**6)
    found = cluster_block(embeddings, "correlation", 0.8, held)
    assert partition(found) == partition(expected)
    assert "average linkage" in capsys.readouterr().out


@every_clustering
def test_thousands_of_products_with_one_picture_are_one_group(
    clustering: ClusteringName, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    embeddings = np.concatenate([block(random, 20, 32), np.repeat(block(random, 1, 32), 500, 0)])
    expected = cluster_block(embeddings, clustering, 0.2)
    small_tiles(monkeypatch, 300)
    found = cluster_block(embeddings, clustering, 0.2)
    assert partition(found) == partition(expected)
    assert (found[20:] == found[20]).all()


@every_clustering
def test_cells_that_all_probe_each_other_give_the_exact_groups(
    clustering: ClusteringName, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every pair is visited once, whichever of the two products probes the other's cell."""
    random = np.random.default_rng(0)
    embeddings, held = block(random, 200), some_held(random, 200)
    small_tiles(monkeypatch, 10**6)
    monkeypatch.setattr(block_clustering, "LARGE", 199)
    embeddings[0] = 0
    expected = cluster_block(embeddings, clustering, 0.5, held)
    monkeypatch.setattr(cells, "EXACT", 50)
    monkeypatch.setattr(large_linkage, "EXACT", 50)
    monkeypatch.setattr(cells, "CELL", 20)
    monkeypatch.setattr(cells, "PROBES", 11)
    assert partition(cluster_block(embeddings, clustering, 0.5, held)) == partition(expected)
    assert "find 100.0% of the" in capsys.readouterr().out


def test_a_pair_of_cells_is_visited_if_one_product_probes_the_other_and_the_recall_says_how_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    random = np.random.default_rng(0)
    monkeypatch.setattr(cells, "CELL", 20)
    monkeypatch.setattr(cells, "PROBES", 3)
    monkeypatch.setattr(cells, "TILE", 16)
    points = block_clustering._points(block(random, 200), Held.nothing(200))
    probed = cells.probe_cells(points.vectors)
    visited = np.zeros((200, 200), dtype=int)
    for rows, columns, near in cells.cell_tiles(points, probed):
        visited[np.ix_(rows, columns)] += near > -np.inf
    visited += visited.T
    probes = (probed[:, :, None] == probed[:, 0]).any(axis=1)
    np.fill_diagonal(probes, False)
    assert (visited == (probes | probes.T)).all()
    near = points.likeness(points) >= 0.5
    np.fill_diagonal(near, False)
    recall, pairs = cells.measure_recall(points, probed, 0.5)
    assert pairs == near.sum()
    assert recall == pytest.approx(visited[near].mean())
    assert 0.5 < recall < 1


@every_clustering
def test_a_block_may_be_empty(clustering: ClusteringName) -> None:
    held = Held.nothing(0)
    assert cluster_block(np.zeros((0, 4), np.float32), clustering, 0.5, held).shape == (0,)
