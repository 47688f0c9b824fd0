"""Shards: some whole blocks, grouped from one Parquet file into another.

Shards share nothing, so that machines can work on them, and a shard can be done again. Its groups
are the same wherever it is done, but for processors that round differently.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa

from ml.catalogue.block_grouping import Block, BlockMean, GroupedBlock, Grouper, group_block
from ml.catalogue.store import Store

PAIRS = 10**9  # of products of one block: a shard with so many is large enough, some seconds
PRODUCTS = 50_000  # a shard with so many is large enough, some 50 MB
PARTNERS = pa.list_(pa.int64())


def pack(blocks: Iterable[tuple[int, Block]]) -> Iterator[list[tuple[int, Block]]]:
    """Collects numbered blocks to shards, in their order."""
    shard, products, pairs = list[tuple[int, Block]](), 0, 0
    for number, block in blocks:
        shard.append((number, block))
        products += len(block.embeddings)
        pairs += len(block.embeddings) ** 2
        if products >= PRODUCTS or pairs >= PAIRS:
            yield shard
            shard, products, pairs = [], 0, 0
    if shard:
        yield shard


def write_shard(store: Store, name: str, shard: list[tuple[int, Block]]) -> None:
    """Writes numbered blocks, of which none is empty, to the Parquet file `in/NAME`."""
    tables = []
    for number, block in shard:
        count, vectors = len(block.embeddings), np.ascontiguousarray(block.embeddings)
        columns = {
            "embedding": pa.FixedSizeListArray.from_arrays(vectors.ravel(), vectors.shape[1]),
            "earlier": pa.array(block.earlier, pa.int64()),
            "locked": pa.array(np.full(count, -1) if block.locked is None else block.locked),
            "margin": pa.array(np.full(count, block.margin)),
            "same": _partners(block.same, count),
            "different": _partners(block.different, count),
        }
        tables.append(pa.table(columns | _of_block(number, count, block.mean)))
    store.write_table(f"in/{name}", pa.concat_tables(tables))


def group_shard(url: str, name: str, grouper: Grouper) -> str:
    """Groups a shard: it reads `in/NAME` below the URL of a store and writes `out/NAME`.

    Done twice it writes the same file again.

    Returns:
        The name.
    """
    store, tables = Store(url), []
    for number, mean, table in _blocks(store, f"in/{name}"):
        vectors = table["embedding"].combine_chunks()
        block = Block(
            vectors.flatten().to_numpy(zero_copy_only=False).reshape(len(table), -1),
            mean,
            table["earlier"].to_numpy(),
            table["margin"][0].as_py(),
            _pairs(table["same"]),
            _pairs(table["different"]),
            table["locked"].to_numpy(),
        )
        found = group_block(block, grouper)
        columns = {"label": found.label, "score": found.score, "band": found.band}
        tables.append(pa.table(columns | _of_block(number, len(table), found.mean)))
    store.write_table(f"out/{name}", pa.concat_tables(tables))
    return name


def read_groups(store: Store, name: str) -> Iterator[tuple[int, GroupedBlock]]:
    """Reads the groups of a shard's numbered blocks."""
    for number, mean, table in _blocks(store, f"out/{name}"):
        assert mean is not None  # every grouped block has one
        label, score, band = (table[one].to_numpy() for one in ("label", "score", "band"))
        yield number, GroupedBlock(label, score, band, mean)


def _of_block(number: int, count: int, mean: BlockMean | None) -> dict[str, pa.Array]:
    """Returns the columns that say what holds for a whole block; its mean is in the first row."""
    rest = [None] * (count - 1)
    return {
        "block": pa.array(np.full(count, number)),
        "mean_products": pa.array([mean and mean.products, *rest], pa.int64()),
        "mean_total": pa.array([mean and mean.total, *rest], pa.list_(pa.float32())),
    }


def _blocks(store: Store, name: str) -> Iterator[tuple[int, BlockMean | None, pa.Table]]:
    whole = store.read_table(name)
    numbers = whole["block"].to_numpy()
    bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
    for start, end in pairwise(bounds):
        table = whole.slice(start, end - start)
        products, total = table["mean_products"][0].as_py(), table["mean_total"][0].as_py()
        mean = None if products is None else BlockMean(np.array(total, np.float32), products)
        yield int(numbers[start]), mean, table


def _partners(pairs: np.ndarray, count: int) -> pa.Array:
    partners: list[list[int]] = [[] for _ in range(count)]
    for left, right in pairs.tolist():
        partners[left].append(right)
    return pa.array(partners, PARTNERS)


def _pairs(partners: pa.ChunkedArray) -> np.ndarray:
    found = [(left, right) for left, rights in enumerate(partners.to_pylist()) for right in rights]
    return np.array(found, dtype=int).reshape(-1, 2)
