"""How long `POST /assign` takes with 10⁵ products in the store.

A catalogue that was grouped (see `benchmarks.regrouping`, which makes one) is tiled: each copy of a
product has an id, a picture and a slightly moved embedding of its own, in the same block. Then
`variants serve-groups` is asked about pictures of the shop. It writes benchmarks/assigning.json.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import pyarrow as pa
import typer

from benchmarks.checkout import ROOT, WORK
from benchmarks.regrouping import NAME
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.catalogue.versions import Version, newest, save
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.data.schema import BLOCK

OUT = ROOT / "benchmarks/assigning.json"
NOISE = 0.05  # standard deviation of the moved embeddings, as a share of their length

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop.")] = Path("../shared/data/myntra"),
    project: Annotated[Path, typer.Option(help="The clone with the model.")] = ROOT,
    products: Annotated[int, typer.Option(min=1, help="Products in the store.")] = 100_000,
    asked: Annotated[int, typer.Option(min=1, help="Pictures that are asked about.")] = 300,
) -> None:
    """Asks about pictures one after the other, and writes how long the answers took."""
    before = newest(Store(str(WORK / "regrouping/store")), NAME)
    if before is None:
        raise UserError("no catalogue is grouped: run `python -m benchmarks.regrouping` first")
    store = Store(str(WORK / "assigning"))
    shutil.rmtree(store.root, ignore_errors=True)
    tiled = _tile(before, products, store)
    shop = pd.read_csv(source / "catalog.csv", dtype=str).set_index("product_id")
    chosen = before.products.sample(asked, random_state=0)
    environment = os.environ | {"PYTHONPATH": str(project), "VARIANTS_STORE": store.root}
    with subprocess.Popen(
        [sys.executable, "-m", "flows.cli", "serve-groups", NAME],
        cwd=project,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            assert server.stdout
            address = next(line for line in server.stdout if re.match("http", line)).strip()
            seconds = []
            for row in chosen.to_dict("records"):
                image = (source / str(shop.loc[row["product_id"], "image"])).read_bytes()
                body = {"image": base64.b64encode(image).decode()} | {k: row[k] for k in BLOCK}
                started = time.monotonic()
                _post(address, body)
                seconds.append(time.monotonic() - started)
        finally:
            server.send_signal(signal.SIGINT)
    p50, p95 = (round(float(np.quantile(seconds, q)) * 1000, 1) for q in (0.5, 0.95))
    sizes = tiled.groupby(BLOCK).size()
    found: dict[str, float] = {
        "products": len(tiled),
        "largest_block": int(sizes.max()),
        "asked": asked,
    }
    found |= {"cores": os.cpu_count() or 1, "p50_ms": p50, "p95_ms": p95}
    print(json.dumps(found))
    write_json(OUT, found)


def _tile(before: Version, count: int, store: Store) -> pd.DataFrame:
    """Saves a version of so many products, and their embeddings; returns its products."""
    digest = str(before.facts["model_files"])[:32]
    pictures = PictureStore(Store(str(WORK / "regrouping/store")).below(f"embeddings/{digest}"))
    table = before.products[before.products["problem"].isna()].reset_index(drop=True)
    keys = (table["sha256"] + ":" + table["article_type"]).tolist()
    draw, rows = np.random.default_rng(0), []
    vectors: np.ndarray | None = None
    for places, part in pictures.read(keys, ["embedding"]):
        flat = part["embedding"].combine_chunks()
        if vectors is None:
            vectors = np.zeros((len(keys), flat.type.list_size), np.float32)
        vectors[places] = flat.flatten().to_numpy().reshape(len(places), -1)
    assert vectors is not None
    kept = PictureStore(store.below(f"embeddings/{digest}"))
    for copy in range(-(-count // len(table))):
        part = table.head(count - copy * len(table)).copy()
        part["product_id"] += f".{copy}"
        part["sha256"] += f".{copy}"
        part["group"] += f".{copy}"
        size = vectors.shape[1]
        moved = vectors[: len(part)] + NOISE * draw.normal(size=(len(part), size)) / np.sqrt(size)
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        values = pa.FixedSizeListArray.from_arrays(pa.array(moved.astype(np.float16).ravel()), size)
        names = (part["sha256"] + ":" + part["article_type"]).tolist()
        problems = pa.nulls(len(part), pa.string())
        kept.add(pa.table({"key": names, "embedding": values, "problem": problems}))
        rows.append(part)
    tiled = pd.concat(rows, ignore_index=True)
    facts = before.facts | {"number": 1, "predecessor": None}
    save(store, Version(facts, tiled, before.means, before.changes, before.retired))
    return tiled


def _post(address: str, body: dict[str, str]) -> None:
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()


if __name__ == "__main__":
    run_app(app)
