"""Shards have the groups of the whole, wherever they are done."""

import os
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from catalogue import Shop, grouper
from test_block_clustering import block, some_held

from flows.catalogue.dask_cluster import group_on
from ml.catalogue import shards
from ml.catalogue.block_grouping import Block, BlockMean, GroupedBlock, Grouper, group_block
from ml.catalogue.shards import group_shard, pack, read_groups, write_shard
from ml.catalogue.store import Store
from ml.core.errors import UserError
from ml.grouping.calibration import Calibration

GROUPER = Grouper("files", "complete", 0.6, 20.0, Calibration(8.0, -4.0, 0.3), 0.8)


def some_blocks(seed: int, count: int = 9, products: int = 60) -> list[tuple[int, Block]]:
    """Blocks with and without a kept mean, corrections and locked groups."""
    random, made = np.random.default_rng(seed), []
    for number in range(count):
        size = int(random.integers(2, products))
        embeddings, held = block(random, size, 16).astype(np.float16), some_held(random, size)
        mean = BlockMean(embeddings.sum(axis=0, dtype=np.float32), size + 5) if number % 2 else None
        free = number % 3 > 0
        locked = None if free else random.integers(-1, 2, size)
        pairs = (held.same, held.different) if free else ()
        made.append((3 * number, Block(embeddings, mean, held.earlier, 0.1, *pairs)))
        made[-1] = (3 * number, made[-1][1]._replace(locked=locked))
    return made


def assert_same(found: dict[int, GroupedBlock], blocks: list[tuple[int, Block]]) -> None:
    assert sorted(found) == [number for number, _ in blocks]
    for number, one in blocks:
        expected = group_block(one, GROUPER)
        np.testing.assert_array_equal(found[number].label, expected.label)
        np.testing.assert_array_equal(found[number].score, expected.score)
        assert found[number].band.tolist() == expected.band.tolist()
        np.testing.assert_array_equal(found[number].mean.total, expected.mean.total)
        assert found[number].mean.products == expected.mean.products


@pytest.mark.parametrize("products", [1, 100, 10_000])
def test_shards_have_the_groups_of_their_blocks(
    products: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PRODUCTS", products)
    blocks, store, found = some_blocks(0), Store(str(tmp_path)), {}
    for number, shard in enumerate(pack(iter(blocks))):
        write_shard(store, f"{number}.parquet", shard)
        for _ in range(2):  # done again
            name = group_shard(store.url, f"{number}.parquet", GROUPER)
        found |= dict(read_groups(store, name))
    assert len(store.list("out")) == {1: 9, 10_000: 1}.get(products, len(store.list("in")))
    assert_same(found, blocks)


def test_a_catalogue_grouped_in_shards_is_the_same_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "PRODUCTS", 20)
    store = Store(str(tmp_path))

    def run(blocks: Iterable[tuple[int, Block]]) -> Iterator[tuple[int, GroupedBlock]]:
        for number, shard in enumerate(pack(blocks)):
            write_shard(store, f"{number}.parquet", shard)
            yield from read_groups(store, group_shard(store.url, f"{number}.parquet", grouper()))

    shop = Shop(0)
    first, in_shards = shop.group(), shop.group(run=run)
    shop.add(9)
    for one, other in ((first, in_shards), (shop.group(first), shop.group(first, run=run))):
        pd.testing.assert_frame_equal(one.products, other.products)
        pd.testing.assert_frame_equal(one.changes, other.changes)
    assert len(store.list("in")) > 1


def test_a_cluster_that_does_not_answer_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.catalogue.dask_cluster.TIMEOUT", 1)
    with pytest.raises(UserError, match="no Dask scheduler answers"):
        list(group_on("tcp://127.0.0.1:9", Store(str(tmp_path)), GROUPER)([]))


@pytest.mark.full
def test_a_killed_worker_changes_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is killed while it groups, and the other one does its shard again."""
    from distributed import Client, LocalCluster

    monkeypatch.setattr(shards, "PRODUCTS", 1)
    random = np.random.default_rng(2)
    blocks = [
        (number, Block(block(random, 1900, 128), None, np.full(1900, -1), 0.0))
        for number in range(12)
    ]
    store, killed = Store(str(tmp_path)), []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,  # the code opens its own
    ):
        processes = client.run(os.getpid)

        def kill() -> None:
            while not killed:
                busy = [worker for worker, tasks in client.processing().items() if tasks]
                if busy and any(store.list(f"shards/{one}/out") for one in store.list("shards")):
                    killed.append(processes[busy[0]])
                    os.kill(killed[0], signal.SIGKILL)
                time.sleep(0.01)

        thread = threading.Thread(target=kill)
        thread.start()
        found = dict(group_on(cluster.scheduler_address, store, GROUPER)(iter(blocks)))
        thread.join(60)
        assert killed and not psutil.pid_exists(killed[0])
    assert_same(found, blocks)
    assert not store.list("shards")
