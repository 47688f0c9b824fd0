"""Embeds pictures and groups blocks on the workers of a Dask cluster, shard by shard.

The scheduler gives the shards of a lost worker to another one. All workers reach the store under
the same URL.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ml.catalogue.block_grouping import Block, GroupedBlock, Grouper
from ml.catalogue.embedding_shards import embed_shard, write_shards
from ml.catalogue.memory import Run
from ml.catalogue.shards import group_shard, pack, read_groups, write_shard
from ml.catalogue.store import Store
from ml.core.errors import UserError

TIMEOUT = 30  # seconds until the scheduler answers
RETRIES = 2  # of a shard whose task failed; those of a lost worker are done again in any case


def group_on(address: str, store: Store, grouper: Grouper) -> Run:
    """Makes what groups numbered blocks on a Dask cluster.

    Args:
        address: of the scheduler, such as tcp://10.0.0.5:8786.
        store: for the shards, while they are grouped.
        grouper: how to group.

    Returns:
        What raises UserError as `_cluster`.
    """

    def run(blocks: Iterable[tuple[int, Block]]) -> Iterator[tuple[int, GroupedBlock]]:
        with _cluster(address, store) as (shards, submit, _):

            def work() -> Iterator[Any]:
                for number, shard in enumerate(pack(blocks)):
                    name = f"{number:06}.parquet"
                    write_shard(shards, name, shard)
                    yield group_shard, shards.url, name, grouper

            for name in submit(work()):
                yield from read_groups(shards, name)

    return run


def embed_on(
    address: str,
    store: Store,
    into: Store,
    model: Path,
    program: Path,
    asked: pd.DataFrame,
    log: Callable[[str], None],
) -> None:
    """Embeds pictures on a Dask cluster; each shard is kept in the store as soon as it is done.

    Args:
        address: of the scheduler.
        store: for the shards, while they are embedded.
        into: the folder of the model's embeddings.
        model, program, asked: see `ml.catalogue.embedding_shards.write_shards`.
        log: called with the progress.

    Raises:
        UserError: as `_cluster`.
        RuntimeError: the model failed.
    """
    done = 0
    with _cluster(address, store) as (shards, submit, workers):
        names = write_shards(shards, model, program, asked, workers)
        for pictures in submit((embed_shard, shards.url, name, into.url) for name in names):
            done += pictures
            log(f"embed: {done:,} of {len(asked):,} pictures, on the cluster")


@contextmanager
def _cluster(address: str, store: Store) -> Iterator[tuple[Store, Any, int]]:
    """Opens a cluster.

    Yields:
        A folder of the store for shards, which goes when the block ends; what submits calls, given
        as (function, *arguments), and yields their results as they come; and the number of workers.

    Raises:
        UserError: Dask is not installed, no scheduler answers, or a shard ends every worker that
            begins it.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise UserError(
            "a cluster needs Dask: run `pip install -c constraints.txt '.[cluster]'` in the clone"
        ) from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=TIMEOUT, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
    folder = f"shards/{uuid.uuid4().hex}"

    def submit(calls: Iterable[Any]) -> Iterator[Any]:
        futures = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]
        for call in calls:
            future = client.submit(*call, pure=False, retries=RETRIES)
            futures.add(future)  # type: ignore[no-untyped-call]
        for future in futures:
            yield future.result()

    with client:
        try:
            yield store.below(folder), submit, len(client.nthreads())  # type: ignore[no-untyped-call]
        except KilledWorker as error:
            raise UserError(
                f"a shard ended every worker that began it, perhaps for lack of memory: {error}"
            ) from error
        finally:
            store.remove(folder)
