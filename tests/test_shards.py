"""Shards have the groups of the whole, wherever they are done."""

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from test_block_clustering import NONE, block, some_held
from test_grouping import every_clustering

from flows.catalogue.dask_cluster import group_on_cluster
from ml.catalogue.block_clustering import Held
from ml.catalogue.shards import (
    group_blocks,
    group_shard,
    plan_shards,
    read_groups,
    write_shards,
)
from ml.catalogue.store import Store
from ml.core.errors import UserError
from ml.grouping.grouping import ClusteringName, Grouping


@every_clustering
def test_whole_blocks_have_the_groups_of_grouping(clustering: ClusteringName) -> None:
    random = np.random.default_rng(0)
    embeddings, blocks = block(random, 200), random.integers(0, 9, 200)
    found = group_blocks(embeddings, blocks, clustering, 0.4, Held.nothing(200))
    assert (found == Grouping(embeddings, blocks, clustering).cut(0.4)).all()


@every_clustering
@pytest.mark.parametrize("shards", [1, 4, 50])
def test_shards_have_the_groups_of_the_whole(
    clustering: ClusteringName, shards: int, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    embeddings, blocks = block(random, 300).astype(np.float16), random.integers(0, 9, 300)
    held, store = some_held(random, 300), Store(str(tmp_path))
    shard = plan_shards(blocks, shards)
    names = write_shards(store, embeddings, blocks, held, shard)
    for name in names:
        group_shard(store.url, name, clustering, 0.4, held.margin)
    expected = group_blocks(embeddings, blocks, clustering, 0.4, held)
    assert (read_groups(store, names, shard) == expected).all()


def test_shards_are_balanced_and_hold_whole_blocks() -> None:
    blocks = np.repeat(np.arange(40), 2000 // np.arange(1, 41))
    shard = plan_shards(blocks, 4)
    assert all(len(np.unique(shard[blocks == one])) == 1 for one in range(40))
    work = np.bincount(shard[np.unique(blocks, return_index=True)[1]], np.bincount(blocks) ** 2.0)
    assert work.max() == 2000**2  # the largest block is a shard by itself
    assert min(work) > 0.7 * 1000**2  # of the second largest, which is one too


def test_a_cluster_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.catalogue.dask_cluster.TIMEOUT", 1)
    with pytest.raises(UserError, match="no Dask scheduler answers"):
        group_on_cluster("tcp://127.0.0.1:9", Store(str(tmp_path)), [], "average", 0.4, 0.0)


@pytest.mark.full
def test_a_killed_worker_changes_no_group(tmp_path: Path) -> None:
    """It is killed while it groups, and the other one does its shard again."""
    from distributed import Client, LocalCluster

    random = np.random.default_rng(2)
    blocks = np.repeat(np.arange(12), 1500)
    embeddings = np.concatenate([block(random, 1500, 32) for _ in range(12)])
    held = Held(np.full(len(blocks), -1), 0.0, NONE, NONE)
    store, shard = Store(str(tmp_path)), plan_shards(blocks, 6)
    names = write_shards(store, embeddings, blocks, held, shard)
    killed: list[int] = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        processes = client.run(os.getpid)

        def kill() -> None:
            while not killed:
                busy = [worker for worker, tasks in client.processing().items() if tasks]
                if busy and store.list("out"):
                    killed.append(processes[busy[0]])
                    os.kill(killed[0], signal.SIGKILL)
                time.sleep(0.01)

        thread = threading.Thread(target=kill)
        thread.start()
        group_on_cluster(cluster.scheduler_address, store, names, "correlation", 0.4, 0.0)
        thread.join()
        assert killed and killed[0] not in client.run(os.getpid).values()
    expected = group_blocks(embeddings, blocks, "correlation", 0.4, held)
    assert (read_groups(store, names, shard) == expected).all()
