"""A catalogue of real photos over time: what a second grouping costs, and which ids it keeps.

It runs `variants group` of a project that has a champion, in a store of its own: without some
products, again, with all of them, and then by another model. It writes benchmarks/regrouping.json.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT, WORK
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
) -> None:
    """Groups a catalogue several times and writes seconds, pictures embedded and ids kept."""
    work = WORK / "regrouping"
    shutil.rmtree(work, ignore_errors=True)
    shop = work / NAME
    shutil.copytree(source, shop, symlinks=True)
    whole = pd.read_csv(shop / "catalog.csv", dtype=str)
    later = np.random.default_rng(0).choice(len(whole), held_back, replace=False)
    first = ["--model", model] if model else []
    rows = []
    for words, table, arguments in (
        (f"without {held_back} products", whole.drop(whole.index[later]), first),
        ("again", whole.drop(whole.index[later]), first),
        (f"with the {held_back} products", whole, first),
        *([("by another model", whole, ["--model", other])] if other else []),
    ):
        table.to_csv(shop / "catalog.csv", index=False)
        rows.append({"grouping": words} | _grouped(project, shop, work, arguments))
        print(json.dumps(rows[-1]), flush=True)
    write_json(OUT, {"products": len(whole), "cores": os.cpu_count(), "rows": rows})


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
