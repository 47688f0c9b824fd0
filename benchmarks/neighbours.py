"""Near pairs of one large block: all pairs, cells, FAISS and usearch; seconds and recall.

The block is that of `benchmarks.scale`: generated embeddings, with designs in families of
look-alikes. A near pair is one within the threshold. Recall is measured on the near pairs of some
products, which are found exactly. Each contestant runs in a process of its own.
"""

import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from benchmarks.checkout import commit
from benchmarks.markdown import table
from benchmarks.scale import SIZE, THRESHOLD, catalogue
from ml.catalogue.cells import cell_tiles, probe_cells
from ml.catalogue.near_pairs import Points, near_pairs, tiles
from ml.core.command import run_app
from ml.core.files import write_json

OUT = Path(__file__).with_suffix(".json")
SAMPLE = 300  # products whose near pairs are known
NEIGHBOURS = (
    64  # of a product, where a contestant finds a number of them and not all within a range
)
THREADS = 2

Pairs = tuple[np.ndarray, np.ndarray]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def all_pairs(vectors: np.ndarray) -> Pairs:
    """Visits all pairs, tile by tile, as this project does up to 200,000 products."""
    found = near_pairs(tiles(_points(vectors)), THRESHOLD)
    return found.left, found.right


def cells(vectors: np.ndarray) -> Pairs:
    """Visits the pairs of near cells, as this project does above."""
    points = _points(vectors)
    found = near_pairs(cell_tiles(points, probe_cells(vectors)), THRESHOLD)
    return found.left, found.right


def faiss_flat(vectors: np.ndarray) -> Pairs:
    """Searches all products."""
    import faiss

    index = faiss.IndexFlatIP(SIZE)
    return _faiss_range(index, vectors)


def faiss_cells(vectors: np.ndarray) -> Pairs:
    """Searches an inverted file with as many cells and probes as this project's cells."""
    import faiss

    lists = len(vectors) // 2_000 + 1
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(SIZE), SIZE, lists, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors[:: max(1, len(vectors) // (50 * lists))])
    index.nprobe = 12
    return _faiss_range(index, vectors)


def usearch_graph(vectors: np.ndarray) -> Pairs:
    """Searches a graph (HNSW) with the package's own settings for the nearest products."""
    from usearch.index import Index

    index, numbers = Index(ndim=SIZE, metric="cos", dtype="f32"), np.arange(len(vectors))
    index.add(numbers, vectors, threads=THREADS)
    found = index.search(vectors, NEIGHBOURS, threads=THREADS)
    near = (found.distances <= THRESHOLD) & (found.keys != numbers[:, None])
    rows, places = np.nonzero(near)
    return rows, found.keys[rows, places].astype(np.int64)


CONTESTANTS: dict[str, Callable[[np.ndarray], Pairs]] = {
    "this project, all pairs": all_pairs,
    "this project, cells": cells,
    "FAISS IndexFlatIP": faiss_flat,
    "FAISS IndexIVFFlat": faiss_cells,
    "usearch HNSW": usearch_graph,
}


@app.command()
def main(
    products: Annotated[int, typer.Option(help="Products of the block.")] = 100_000,
) -> None:
    """Measures all contestants, prints a table and writes it as JSON."""
    file, _ = catalogue(products, np.array([products]))
    rows, context = {}, multiprocessing.get_context("spawn")
    for name in CONTESTANTS:
        with context.Pool(1) as pool:  # a process of its own
            rows[name] = pool.apply(_measure, (name, str(file)))
        print(f"{name}: {rows[name]}", flush=True)
    write_json(OUT, {"products": products, "threads": THREADS, "commit": commit(), "rows": rows})
    lines = [f"| {name} | {one['seconds']:,} | {one['recall']:.4f} |" for name, one in rows.items()]
    print(table(["", "seconds", "recall"], lines))


def _measure(name: str, file: str) -> dict[str, float]:
    vectors = np.fromfile(file, np.float16).reshape(-1, SIZE).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    with threadpool_limits(THREADS):
        if "FAISS" in name:
            import faiss

            faiss.omp_set_num_threads(THREADS)
        started = time.perf_counter()
        left, right = CONTESTANTS[name](vectors)
        seconds = time.perf_counter() - started
    sample = np.random.default_rng(1).choice(len(vectors), SAMPLE, replace=False)
    near = vectors[sample] @ vectors.T >= 1 - THRESHOLD
    near[np.arange(SAMPLE), sample] = False
    here, other = np.nonzero(near)
    found = np.unique(
        np.minimum(left, right).astype(np.int64) * len(vectors) + np.maximum(left, right)
    )
    wanted = sample[here]
    keys = np.minimum(wanted, other) * len(vectors) + np.maximum(wanted, other)
    recall = float(np.isin(keys, found).mean())
    return {"seconds": round(seconds, 1), "recall": round(recall, 4), "near_pairs": len(keys)}


def _points(vectors: np.ndarray) -> Points:
    nothing: Any = csr_array((len(vectors), 0), dtype=np.float32)
    return Points(vectors, np.zeros(len(vectors), np.float32), nothing, 0.0)


def _faiss_range(index: Any, vectors: np.ndarray) -> Pairs:
    index.add(vectors)
    limits, _, right = index.range_search(vectors, 1 - THRESHOLD)
    left = np.repeat(np.arange(len(vectors)), np.subtract(limits[1:], limits[:-1]).astype(int))
    other = left != right
    return left[other], right[other]


if __name__ == "__main__":
    run_app(app)
