"""Importing a catalogue again, against its first import and against plain `dvc add`.

It writes a shop and imports it into an empty project, with DVC's tracking. Then a hundred products
are added, and it is imported again. The peer is `dvc add` of the same snapshot in another empty
project. All are processes of their own, one after another; seconds are of the clock, CPU seconds of
all processes, which other work on the machine moves less. An import again does not depend on the
bytes of the pictures, the others do: so it is measured with thumbnails and with photos for a page.

It also finds the near-duplicates of one block, against a comparison of all pairs.
"""

import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT, WORK, commit
from ml.core.command import run_app
from ml.core.files import write_json
from ml.validate.near_duplicates import SAME, SIDE, nearest_earlier

OUT = Path(__file__).with_name("importing.json")
NEW = 100  # products that are added
ALL = ("seconds", "cpu")  # what is measured
SIZES = {"thumbnails": (5_000, 10_000), "photos": (30_000, 60_000)}  # bytes of a picture

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    products: Annotated[int, typer.Option(help="Products of the first import.")] = 100_000,
    block: Annotated[int, typer.Option(help="Products of one block, for near-duplicates.")] = 8_000,
    out: Annotated[Path, typer.Option(help="Where the result goes.")] = OUT,
) -> None:
    """Measures the imports and the near-duplicates, prints the ratios and writes them as JSON."""
    facts = {"products": products, "new": NEW, "block": block, "commit": commit()}
    facts |= {name: import_catalog(name, products, *sizes) for name, sizes in SIZES.items()}
    thumbnails = near_thumbnails(block, np.random.default_rng(0))
    measures = {
        "near_duplicates": measured(lambda: nearest_earlier(thumbnails)),
        "all_pairs": measured(lambda: all_pairs(thumbnails)),
    }
    pair = ("all_pairs", "near_duplicates")
    write_json(out, facts | {"near-duplicates": compared("block", measures, pair)})


def import_catalog(name: str, products: int, smallest: int, largest: int) -> dict[str, Any]:
    """Measures the imports of a catalogue.

    Args:
        name: of this kind of catalogue.
        smallest, largest: bytes of its pictures.
    """
    work, random = WORK / "importing", np.random.default_rng(0)
    shutil.rmtree(work, ignore_errors=True)
    shop, project, plain = work / "shop", work / "project", work / "plain"
    write_shop(shop, 0, products, random, smallest, largest)
    for folder in (project, plain):
        make_project(folder)
    arguments = ["flows.local.tracked_import", "--room", str(project / ".variants")]
    command = [sys.executable, "-m", *arguments, "--", str(shop)]
    measures = {"first": measured(lambda: run(command, project))}
    shutil.copytree(project / "data/snapshot", plain / "data/snapshot")
    add = [sys.executable, "-m", "dvc", "add", "--quiet", "data/snapshot"]
    measures["dvc add"] = measured(lambda: run(add, plain))
    write_shop(shop, products, NEW, random, smallest, largest)
    time.sleep(3)  # an import does not trust files that have just changed
    measures["again"] = measured(lambda: run(command, project))
    measures["unchanged"] = measured(lambda: run(command, project))
    shutil.rmtree(work)
    return compared(name, measures, ("first", "again"), ("dvc add", "again"))


def compared(
    name: str, measures: dict[str, dict[str, float]], *pairs: tuple[str, str]
) -> dict[str, Any]:
    """Prints how many times longer the first of each pair took; returns ratios and measures."""
    ratios = {
        f"{slow} / {fast}": {one: measures[slow][one] / measures[fast][one] for one in ALL}
        for slow, fast in pairs
    }
    for pair, values in ratios.items():
        print(f"{name}: {pair}: {values['seconds']:.1f} (CPU {values['cpu']:.1f})", flush=True)
    return {"ratios": ratios, "measured": measures}


def write_shop(
    folder: Path, first: int, count: int, random: np.random.Generator, smallest: int, largest: int
) -> None:
    """Adds products to a shop; their pictures are random bytes, which an import does not decode."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number in range(first, first + count):
        size = int(random.integers(smallest, largest))
        (folder / f"images/{number:06}.jpg").write_bytes(random.bytes(size))
        place = f"images/{number:06}.jpg"
        kind = f"type {number % 20}"
        rows.append((f"p{number:06}", place, f"brand {number % 200}", "women", kind, f"t {number}"))
    columns = ["product_id", "image", "brand", "gender", "article_type", "title"]
    file = folder / "catalog.csv"
    table = pd.DataFrame(rows, columns=columns)
    table.to_csv(file, mode="a", header=not file.exists(), index=False)


def make_project(folder: Path) -> None:
    """Makes an empty git repository in which DVC can work."""
    (folder / "data").mkdir(parents=True)
    run(["git", "init", "--quiet"], folder)
    run([sys.executable, "-m", "dvc", "init", "--quiet"], folder)


def run(command: list[str], folder: Path) -> None:
    """Runs a command in a folder, with the code of this checkout."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def measured(work: Callable[[], object]) -> dict[str, float]:
    """Returns the seconds and CPU seconds that some work takes, child processes included."""
    start, before = time.monotonic(), _cpu()
    work()
    return {"seconds": time.monotonic() - start, "cpu": _cpu() - before}


def near_thumbnails(count: int, random: np.random.Generator) -> np.ndarray:
    """Smooth thumbnails, of which each eighth is a near-duplicate of another one."""
    coarse = random.integers(20, 236, (count, SIDE // 2, SIDE // 2, 3))
    smooth = coarse.repeat(2, axis=1).repeat(2, axis=2)
    again = random.random(count) < 1 / 8
    smooth[again] = smooth[random.integers(0, count, int(again.sum()))]
    return (smooth + random.integers(-2, 3, smooth.shape)).astype(np.uint8).reshape(count, -1)


def all_pairs(thumbnails: np.ndarray) -> None:
    """The plain form of `nearest_earlier`: each thumbnail against all before it."""
    values = thumbnails.astype(np.float32)
    for place in range(1, len(values)):
        distances = np.abs(values[:place] - values[place]).mean(axis=1)
        if distances.min() <= SAME:
            distances.argmin()


def _cpu() -> float:
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


if __name__ == "__main__":
    run_app(app)
