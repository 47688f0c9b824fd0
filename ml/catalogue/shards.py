"""Groups a catalogue block by block, also in shards: whole blocks from one Parquet file to another.

Shards share nothing, so that machines can work on them, and a shard can be done again. Its groups
are the same wherever it is done, but for processors that round differently.
"""

import heapq
import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ml.catalogue.block_clustering import Held, cluster_block, number_by_first
from ml.catalogue.store import Store
from ml.grouping.grouping import ClusteringName

BLOCK, EMBEDDING, EARLIER, GROUP = "block", "embedding", "earlier", "group"
SAME, DIFFERENT = "same", "different"


def group_blocks(
    embeddings: np.ndarray,
    block: np.ndarray,
    clustering: ClusteringName,
    threshold: float,
    held: Held,
) -> np.ndarray:
    """Groups the products of whole blocks.

    Args:
        embeddings: float (products, size), relative to their block, each of length 1.
        block: int (products,).
        clustering, threshold: as of `cluster_block`.
        held: of all products. A pair of two blocks is ignored, since no group is in two blocks.

    Returns:
        int (products,), groups numbered from 0 by first member.
    """
    group, place = np.zeros((2, len(block)), dtype=int)
    order, used = np.argsort(block, kind="stable"), 0
    code = number_by_first(block[order])
    rows = np.split(order, np.flatnonzero(np.diff(code)) + 1)
    for members in rows if len(order) else []:
        place[members] = np.arange(len(members))
        own = held._replace(
            earlier=held.earlier[members],
            same=place[_inside(held.same, block, members)],
            different=place[_inside(held.different, block, members)],
        )
        found = cluster_block(
            np.asarray(embeddings[members], np.float32), clustering, threshold, own
        )
        group[members] = found + used
        used += len(members)
    return number_by_first(group)


def plan_shards(block: np.ndarray, shards: int) -> np.ndarray:
    """Distributes blocks over shards, the dearest first, each to the shard with the least work.

    Args:
        block: int (products,), from 0.
        shards: number of shards, at most.

    Returns:
        int (products,), each product's shard. The work of a block is the square of its products.
    """
    size = np.bincount(block)
    shard = np.zeros(len(size), dtype=int)
    heap = [(0, number) for number in range(shards)]
    for one in np.argsort(-size, kind="stable"):
        work, number = heapq.heappop(heap)
        shard[one] = number
        heapq.heappush(heap, (work + int(size[one]) ** 2, number))
    return shard[block]


def write_shards(
    store: Store, embeddings: np.ndarray, block: np.ndarray, held: Held, shard: np.ndarray
) -> list[str]:
    """Writes each shard to a Parquet file in the folder `in` of the store.

    Args:
        store: of these shards only.
        embeddings, block, held: as of `group_blocks`.
        shard: int (products,).

    Returns:
        The names of the files, by number of shard.
    """
    names, place = [], np.zeros(len(block), dtype=int)
    for number in range(int(shard.max(initial=-1)) + 1):
        members = np.flatnonzero(shard == number)
        place[members] = np.arange(len(members))
        vectors = np.ascontiguousarray(embeddings[members])
        columns = {
            BLOCK: pa.array(block[members]),
            EMBEDDING: pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
            EARLIER: pa.array(held.earlier[members]),
        }
        for name, pairs in ((SAME, held.same), (DIFFERENT, held.different)):
            partners: list[list[int]] = [[] for _ in members]
            for left, right in place[_inside(pairs, shard, members)].tolist():
                partners[left].append(right)
            columns[name] = pa.array(partners, pa.list_(pa.int64()))
        names.append(f"{number:05}.parquet")
        store.write(f"in/{names[-1]}", _parquet(pa.table(columns)))
    return names


def group_shard(
    url: str, name: str, clustering: ClusteringName, threshold: float, margin: float
) -> str:
    """Groups a shard: it reads `in/NAME` below the URL of a store and writes `out/NAME`.

    Done twice it writes the same file again.

    Returns:
        The name.
    """
    store = Store(url)
    table = pq.read_table(io.BytesIO(store.read(f"in/{name}")))
    vectors = table[EMBEDDING].combine_chunks()
    embeddings = vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1)
    held = Held(table[EARLIER].to_numpy(), margin, _pairs(table[SAME]), _pairs(table[DIFFERENT]))
    group = group_blocks(embeddings, table[BLOCK].to_numpy(), clustering, threshold, held)
    store.write(f"out/{name}", _parquet(pa.table({GROUP: group})))
    return name


def read_groups(store: Store, names: Sequence[str], shard: np.ndarray) -> np.ndarray:
    """Reads the groups of all shards: int (products,), numbered from 0 by first member."""
    group = np.zeros(len(shard), dtype=int)
    for number, name in enumerate(names):
        found = pq.read_table(io.BytesIO(store.read(f"out/{name}")))[GROUP].to_numpy()
        group[shard == number] = found + number * len(shard)
    return number_by_first(group)


def _inside(pairs: np.ndarray, part: np.ndarray, members: np.ndarray) -> np.ndarray:
    """Returns the pairs (int (any, 2), positions) of two products of the members' part."""
    return pairs[(part[pairs] == part[members[0]]).all(axis=1)] if len(pairs) else pairs


def _pairs(partners: pa.ChunkedArray) -> np.ndarray:
    lists = partners.combine_chunks()
    left = pa.compute.list_parent_indices(lists).to_numpy()
    return np.stack([left, lists.flatten().to_numpy()], axis=1).astype(int)


def _parquet(table: pa.Table) -> bytes:
    content = pa.BufferOutputStream()
    pq.write_table(table, content, compression="zstd")
    return bytes(content.getvalue().to_pybytes())
