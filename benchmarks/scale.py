"""Grouping of many products: seconds and peak memory, against what others offer for it.

It makes a catalogue of blocks whose sizes fall as 1/rank (Zipf), with generated embeddings: designs
of some three products in families of look-alikes. They lie in a file of float16 numbers, and each
contestant reads and groups one block after the other, in a process of its own, which is ended at
the limit of seconds or of memory. Peak memory is that of the process, with Python and libraries.

Results are kept by case, so that a case or a contestant can be measured another day.
"""

import multiprocessing
import resource
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from benchmarks.checkout import WORK, commit
from benchmarks.markdown import table
from ml.catalogue.block_clustering import cluster_block, number_by_first
from ml.core.command import run_app
from ml.core.files import read_json, replacing, write_json

OUT = Path(__file__).with_name("scale.json")
SIZE = 512  # numbers of an embedding, as whitening leaves
THRESHOLD = 0.45
GIB = 2**30

Embeddings = np.ndarray  # float32 (products, SIZE), of one block

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def own(clustering: Any) -> Callable[[Embeddings], np.ndarray]:
    """Returns this project's grouping of a block."""
    return lambda embeddings: cluster_block(embeddings, clustering, THRESHOLD)


def scipy_complete(embeddings: Embeddings) -> np.ndarray:
    """Groups as scipy's documentation shows."""
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(embeddings) < 2:
        return np.zeros(len(embeddings), int)
    merges = linkage(embeddings, "complete", metric="cosine")
    return np.asarray(fcluster(merges, THRESHOLD, criterion="distance"))


def scikit_learn_complete(embeddings: Embeddings) -> np.ndarray:
    """Groups as scikit-learn's documentation shows."""
    from sklearn.cluster import AgglomerativeClustering

    if len(embeddings) < 2:
        return np.zeros(len(embeddings), int)
    model = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="complete", distance_threshold=THRESHOLD
    )
    return np.asarray(model.fit_predict(embeddings))


def faiss_components(embeddings: Embeddings) -> np.ndarray:
    """Finds all pairs within the threshold with FAISS; groups are connected components."""
    import faiss

    index = faiss.IndexFlatIP(SIZE)
    index.add(embeddings)
    limits, _, right = index.range_search(embeddings, 1 - THRESHOLD)
    left = np.repeat(np.arange(len(embeddings)), np.subtract(limits[1:], limits[:-1]).astype(int))
    links = coo_array((np.ones(len(left), bool), (left, right)), shape=(len(embeddings),) * 2)
    return np.asarray(connected_components(links, directed=False)[1])


def hdbscan(embeddings: Embeddings) -> np.ndarray:
    """Groups with scikit-learn's HDBSCAN; what it calls noise is alone."""
    from sklearn.cluster import HDBSCAN

    if len(embeddings) < 3:
        return np.zeros(len(embeddings), int)
    label = HDBSCAN(min_cluster_size=2, copy=True).fit_predict(embeddings)
    return np.where(label < 0, len(label) + np.arange(len(label)), label)


CONTESTANTS: dict[str, Callable[[Embeddings], np.ndarray]] = {
    "this project, complete": own("complete"),
    "this project, average": own("average"),
    "this project, mutual": own("mutual"),
    "scipy linkage, complete": scipy_complete,
    "scikit-learn AgglomerativeClustering, complete": scikit_learn_complete,
    "FAISS range_search and components": faiss_components,
    "scikit-learn HDBSCAN": hdbscan,
}


OWN = next(iter(CONTESTANTS))


@app.command()
def main(
    products: Annotated[int, typer.Option(help="Products of the catalogue.")] = 10_000,
    largest: Annotated[int, typer.Option(help="Products of its largest block.")] = 10_000,
    only: Annotated[str, typer.Option(help="Contestants whose names hold this.")] = "",
    again: Annotated[bool, typer.Option(help="Measure also what is in the result.")] = False,
    seconds: Annotated[int, typer.Option(help="Limit of a contestant.")] = 600,
    gib: Annotated[float, typer.Option(help="Limit of its memory.")] = 8.0,
    threads: Annotated[int, typer.Option(help="CPU threads.")] = 2,
    out: Annotated[Path, typer.Option(help="Where the result goes.")] = OUT,
) -> None:
    """Measures one case, prints the table of all that were measured and writes them as JSON."""
    result: dict[str, Any] = read_json(out) if out.is_file() else {}
    case = result.setdefault(f"{products} {largest}", {})
    sizes = block_sizes(products, largest)
    file, design = catalogue(products, sizes)
    for name in CONTESTANTS:
        if only in name and (again or name not in case):
            print(f"{name}: {products:,} products, {len(sizes):,} blocks …", flush=True)
            found = measure(name, file, sizes, seconds, gib, threads)
            labels = found.pop("labels", None)
            if labels is not None:
                found["ari"] = round(float(adjusted_rand_score(design, labels)), 4)
                found["as_own_complete"] = agreement(labels, file, name == OWN)
            case[name] = found | {"blocks": len(sizes), "threads": threads, "commit": commit()}
            write_json(out, result)
    print(scale_table(result))


def block_sizes(products: int, largest: int) -> np.ndarray:
    """Returns sizes that fall as 1/rank: int (blocks,), of so many products in all."""
    sizes = np.maximum(largest // np.arange(1, products + 1), 1)
    sizes = sizes[: int(np.searchsorted(np.cumsum(sizes), products)) + 1]
    sizes[-1] -= sizes.sum() - products
    return sizes


def catalogue(products: int, sizes: np.ndarray) -> tuple[Path, np.ndarray]:
    """Makes the embeddings, once; returns their file and each product's design."""
    file = WORK / f"scale-{products}-{sizes[0]}.f16"
    designs = file.with_suffix(".designs.npy")
    if not designs.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        random, found, used = np.random.default_rng(0), [], 0
        with replacing(file) as part, part.open("wb") as stream:
            for size in sizes.tolist():
                embeddings, design = block(random, size)
                stream.write(embeddings.tobytes())
                found.append(design + used)
                used += int(design.max()) + 1
        np.save(designs, np.concatenate(found))
    return file, np.load(designs)


def block(random: np.random.Generator, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Generates a block of designs of some three products.

    Families of some 14 designs share a random part of their look, at times most of it, so that
    designs of one family can be as near as the products of one design.

    Returns:
        float16 (size, SIZE), each of length 1; and int (size,), their designs.
    """

    def normal(rows: int) -> np.ndarray:
        return random.standard_normal((rows, SIZE), dtype=np.float32)

    families, designs = max(size // 40, 1), max(size // 3, 1)
    family, share = random.integers(0, families, designs), random.beta(2, 3, (families, 1))
    share = share[family].astype(np.float32)
    look = np.sqrt(share) * normal(families)[family] + np.sqrt(1 - share) * normal(designs)
    design = random.integers(0, designs, size)
    embeddings = np.float32(np.sqrt(0.7)) * look[design] + np.float32(np.sqrt(0.3)) * normal(size)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings.astype(np.float16), design


def measure(
    name: str, file: Path, sizes: np.ndarray, seconds: int, gib: float, threads: int
) -> dict[str, Any]:
    """Runs a contestant in a process of its own, until it answers or is over a limit."""
    context = multiprocessing.get_context("spawn")
    pipe, other = context.Pipe()
    process = context.Process(target=_group, args=(name, file, sizes, threads, other))
    process.start()
    other.close()
    watched, started = psutil.Process(process.pid), time.monotonic()
    ended = ""
    while not ended and not pipe.poll(0.2):
        if not process.is_alive() and not pipe.poll():
            ended = "failed"
        elif time.monotonic() - started > seconds:
            ended = f"over {seconds} s"
        elif process.is_alive() and watched.memory_info().rss > gib * GIB:
            ended = f"over {gib:g} GiB"
    if ended:
        process.kill()
        process.join()
        return {"ended": ended}
    try:
        found: dict[str, Any] = pipe.recv()
    except EOFError:
        found = {"ended": "failed"}
    process.join()
    return found


def _group(name: str, file: Path, sizes: np.ndarray, threads: int, pipe: Connection) -> None:
    labels = np.zeros(int(sizes.sum()), dtype=np.int64)
    with threadpool_limits(threads):
        if "FAISS" in name:
            import faiss

            faiss.omp_set_num_threads(threads)
        started, at, used = time.perf_counter(), 0, 0
        for size in sizes.tolist():
            block = np.fromfile(file, np.float16, size * SIZE, offset=at * SIZE * 2)
            embeddings = block.reshape(size, SIZE).astype(np.float32)
            embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
            try:
                group = number_by_first(CONTESTANTS[name](embeddings))
            except MemoryError as error:  # one array of distances
                pipe.send({"ended": str(error).partition(" for ")[0].lower()})
                return
            labels[at : at + size] = group + used
            at, used = at + size, used + int(group.max()) + 1
        spent = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    pipe.send({"seconds": round(spent, 1), "gib": round(peak, 2), "groups": used, "labels": labels})


def agreement(labels: np.ndarray, file: Path, keep: bool) -> float | None:
    """Returns the ARI of groups with those of this project, which are kept beside the embeddings.

    It is 1 if the groups are the same; None if this project has not been measured here.
    """
    kept = file.with_suffix(".groups.npy")
    if keep:
        np.save(kept, labels)
    return float(adjusted_rand_score(np.load(kept), labels)) if kept.is_file() else None


def scale_table(result: dict[str, Any]) -> str:
    """Writes all cases as a Markdown table."""
    columns = ["products, in blocks", "contestant", "seconds", "peak GiB", "ARI with own complete"]
    lines = []
    for case, contestants in result.items():
        products, largest = map(int, case.split())
        for name, one in contestants.items():
            blocks = f"{products:,} in {one['blocks']:,}, the largest of {largest:,}"
            blocks = f"{products:,} in one" if products == largest else blocks
            cells = [
                one.get("ended") or f"{one['seconds']:,.1f}",
                one.get("gib", ""),
                "" if one.get("as_own_complete") is None else f"{one['as_own_complete']:.6g}",
            ]
            lines.append(f"| {blocks} | {name} | " + " | ".join(map(str, cells)) + " |")
    return table(columns, lines)


if __name__ == "__main__":
    run_app(app)
