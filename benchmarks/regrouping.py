"""A catalogue of real photos over time: what a second grouping costs, and which ids it keeps.

It runs `variants group` of a project that has a champion, in a store of its own: without some
products, again, with all of them, and then by another model. It writes benchmarks/regrouping.json.
A Prefect server runs meanwhile, as where groupings are scheduled; without one each command starts
its own, which `--alone` measures. `--products 100000` tiles the shop: each copy is of brands of its
own, and its pictures have bytes of their own, so that all are embedded: one that stood for products
of several brands would be taken for a placeholder.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT, WORK
from flows.local.servers import free_port, running
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, newest
from ml.core.command import run_app
from ml.core.files import write_json

OUT = ROOT / "benchmarks/regrouping.json"
NAME = "photos"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop.")] = Path("../shared/data/myntra"),
    project: Annotated[Path, typer.Option(help="A clone with a champion.")] = ROOT,
    model: Annotated[str, typer.Option(help="The first model; default: the champion.")] = "",
    other: Annotated[str, typer.Option(help="The model that follows it; default: none.")] = "",
    held_back: Annotated[int, typer.Option(min=1, help="Products that are added later.")] = 100,
    products: Annotated[int, typer.Option(help="Tile the shop to so many; 0: as it is.")] = 0,
    alone: Annotated[bool, typer.Option("--alone", help="Run no Prefect server.")] = False,
) -> None:
    """Groups a catalogue several times and writes seconds, pictures embedded and ids kept."""
    work = WORK / "regrouping"
    shutil.rmtree(work, ignore_errors=True)
    shop = work / NAME
    whole = tile(source, shop, products) if products else copy(source, shop)
    later = np.random.default_rng(0).choice(len(whole), held_back, replace=False)
    first = ["--model", model] if model else []
    with ExitStack() as stack:
        if not alone:
            os.environ["PREFECT_API_URL"] = stack.enter_context(_prefect(work))
        rows = _rows(project, work, whole, later, first, other)
    found = {"products": len(whole), "cores": os.cpu_count(), "prefect_server": not alone}
    write_json(OUT.with_stem("regrouping_tiled") if products else OUT, found | {"rows": rows})


def copy(source: Path, shop: Path) -> pd.DataFrame:
    """Copies a shop; returns its catalogue."""
    shutil.copytree(source, shop, symlinks=True)
    return pd.read_csv(shop / "catalog.csv", dtype=str)


def tile(source: Path, shop: Path, products: int) -> pd.DataFrame:
    """Makes a shop of so many products of copies of another one; returns its catalogue."""
    whole = pd.read_csv(source / "catalog.csv", dtype=str)
    parts = []
    for number in range(-(-products // len(whole))):
        part = whole.head(products - number * len(whole)).copy()
        (shop / f"images/{number}").mkdir(parents=True)
        for image in part["image"]:
            content = (source / image).read_bytes() + bytes(number)  # after the end of the JPEG
            (shop / f"images/{number}" / Path(image).name).write_bytes(content)
        part["image"] = [f"images/{number}/{Path(image).name}" for image in part["image"]]
        part["product_id"] += f".{number}"
        part["brand"] += f" {number}"
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


@contextmanager
def _prefect(work: Path) -> Iterator[str]:
    """Runs a Prefect server; yields its API's address."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    command = [sys.executable, "-m", "prefect", "server", "start", "--port", str(port)]
    environment = os.environ | {"PREFECT_HOME": str(work / "prefect")}
    with running(command, work / "prefect.log", environment, f"{api}/health"):
        yield api


def _rows(
    project: Path,
    work: Path,
    whole: pd.DataFrame,
    later: np.ndarray,
    first: list[str],
    other: str,
) -> list[dict[str, Any]]:
    """Groups several times; returns what `_grouped` says of each."""
    shop, rows = work / NAME, list[dict[str, Any]]()
    for words, table, arguments in (
        (f"without {len(later)} products", whole.drop(whole.index[later]), first),
        ("again", whole.drop(whole.index[later]), first),
        (f"with the {len(later)} products", whole, first),
        *([("by another model", whole, ["--model", other])] if other else []),
    ):
        table.to_csv(shop / "catalog.csv", index=False)
        rows.append({"grouping": words} | _grouped(project, shop, work, arguments))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def _grouped(project: Path, shop: Path, work: Path, arguments: list[str]) -> dict[str, Any]:
    """Runs `variants group`; returns its seconds and what it kept."""
    store = Store(str(work / "store"))
    known = newest(store, NAME)
    command = [sys.executable, "-m", "flows.cli", "group", "--source", str(shop)]
    started = time.monotonic()
    done = subprocess.run(
        [*command, "--out", str(work / "groups"), *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project), "VARIANTS_STORE": str(work / "store")},
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - started
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = newest(store, NAME)
    assert found is not None
    made = known is None or found.number > known.number
    row = {
        "seconds": round(seconds, 1),
        "made": made,
        "embedded": found.facts["embedded"] if made else 0,
        "groups": found.facts["counts"]["groups"],
        "changes": found.facts["changes"] if made else {},
    }
    return row | (_kept(known, found) if known else {})


def _kept(before: Version, after: Version) -> dict[str, Any]:
    """Returns which shares of products and of unchanged groups keep their ids."""
    both = before.products.merge(after.products, on="product_id", suffixes=("_before", "_after"))
    old, new = both["group_before"], both["group_after"]
    sizes = before.products.groupby("group")["product_id"].agg(frozenset)
    now = after.products.groupby("group")["product_id"].agg(frozenset)
    several = sizes[sizes.map(len) > 1]
    unchanged = {members: str(name) for name, members in now.items()}
    old_ids = {str(name): members for name, members in several.items()}
    alike = [name for name, members in old_ids.items() if members in unchanged]
    return {
        "products_in_the_same_group": round(float((old == new).mean()), 4),
        "groups_unchanged": round(len(alike) / len(several), 4),
        "of_these_same_id": round(
            float(np.mean([unchanged[old_ids[name]] == name for name in alike])), 4
        ),
    }


if __name__ == "__main__":
    run_app(app)
