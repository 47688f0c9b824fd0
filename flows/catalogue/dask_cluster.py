"""Groups blocks on the workers of a Dask cluster, shard by shard."""

import uuid
from collections.abc import Iterable, Iterator

from ml.catalogue.block_grouping import Block, GroupedBlock, Grouper
from ml.catalogue.memory import Run
from ml.catalogue.shards import group_shard, pack, read_groups, write_shard
from ml.catalogue.store import Store
from ml.core.errors import UserError

TIMEOUT = 30  # seconds until the scheduler answers
RETRIES = 2  # of a shard whose task failed; those of a lost worker are done again in any case


def on_cluster(address: str, store: Store, grouper: Grouper) -> Run:
    """Makes what groups numbered blocks on a Dask cluster.

    The scheduler gives the shards of a lost worker to another one.

    Args:
        address: of the scheduler, such as tcp://10.0.0.5:8786.
        store: for the shards, while they are grouped. All workers reach it under the same URL.
        grouper: how to group.

    Returns:
        What raises UserError if Dask is not installed, no scheduler answers, or a shard ends every
        worker that begins it.
    """

    def run(blocks: Iterable[tuple[int, Block]]) -> Iterator[tuple[int, GroupedBlock]]:
        try:
            from distributed import Client, as_completed
            from distributed.scheduler import KilledWorker
        except ImportError as error:
            raise UserError(
                "a cluster needs Dask: pip install 'color-variants[cluster]'"
            ) from error
        try:
            client = Client(  # type: ignore[no-untyped-call]
                address, timeout=TIMEOUT, set_as_default=False
            )
        except (OSError, ValueError) as error:
            raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
        folder = f"shards/{uuid.uuid4().hex}"
        shards = store.below(folder)
        with client:
            try:
                futures = as_completed(loop=client.loop)  # type: ignore[no-untyped-call]
                for number, shard in enumerate(pack(blocks)):
                    name = f"{number:06}.parquet"
                    write_shard(shards, name, shard)
                    work = (group_shard, shards.url, name, grouper)
                    future = client.submit(*work, pure=False, retries=RETRIES)
                    futures.add(future)  # type: ignore[no-untyped-call]
                for future in futures:
                    yield from read_groups(shards, future.result())
            except KilledWorker as error:
                raise UserError(
                    f"a shard ended every worker that began it, perhaps for lack of memory: {error}"
                ) from error
            finally:
                store.remove(folder)

    return run
