"""Groups shards on the workers of a Dask cluster."""

from collections.abc import Sequence

from ml.catalogue.shards import group_shard
from ml.catalogue.store import Store
from ml.core.errors import UserError
from ml.core.progress import progress
from ml.grouping.grouping import ClusteringName

TIMEOUT = 30  # seconds until the scheduler answers
RETRIES = 2  # of a shard whose task failed; those of a lost worker are done again in any case


def group_on_cluster(
    address: str,
    store: Store,
    names: Sequence[str],
    clustering: ClusteringName,
    threshold: float,
    margin: float,
) -> None:
    """Groups all shards of a store on a Dask cluster.

    The scheduler gives the shards of a lost worker to another one.

    Args:
        address: of the scheduler, such as tcp://10.0.0.5:8786.
        store: of the shards, which all workers must reach under the same URL.
        names, clustering, threshold, margin: as of `ml.catalogue.shards.group_shard`.

    Raises:
        UserError: Dask is not installed, no scheduler answers, or a shard ends all its workers.
    """
    try:
        from distributed import Client, as_completed
        from distributed.scheduler import KilledWorker
    except ImportError as error:
        raise UserError("a cluster needs Dask: pip install 'color-variants[cluster]'") from error
    try:
        client = Client(  # type: ignore[no-untyped-call]
            address, timeout=TIMEOUT, set_as_default=False
        )
    except (OSError, ValueError) as error:
        raise UserError(f"no Dask scheduler answers at {address}: {error}") from error
    with client, progress("group shards", len(names), "shards") as advance:
        work = (clustering, threshold, margin)
        futures = [
            client.submit(group_shard, store.url, name, *work, pure=False, retries=RETRIES)
            for name in names
        ]
        try:
            for future in as_completed(futures):  # type: ignore[no-untyped-call]
                future.result()
                advance()
        except KilledWorker as error:
            raise UserError(
                f"a shard ended every worker that began it, probably for lack of memory: {error}"
            ) from error
