"""How long each page of the desk takes with 10⁵ groups and 10⁴ answered pairs.

A store is made up: groups of one to five products in blocks of about 60, thumbnails, and embeddings
around a point of each group. So is a registry with a champion, and a database of answers. Then
`variants desk` is asked for its pages, by one client and by four at once; and, beside it, MLflow's
server for the list that its own page of registered models shows, with as many entries as there are
groups. It writes benchmarks/desk.json.
"""

import hashlib
import io
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import pandas as pd
import psutil
import pyarrow as pa
import typer
from mlflow.tracking import MlflowClient
from PIL import Image

from benchmarks.checkout import ROOT, WORK, commit
from flows.annotations.batches import add_batch
from flows.annotations.decisions import add_decisions, pairs_of
from flows.catalogue.looks import SCHEMA, looks_of
from flows.catalogue.places import store_of
from flows.local.project import Project
from flows.registry.model_files import FOLDER, NEEDED
from flows.registry.tracking import connect
from flows.registry.verified_files import digest_of, hash_files
from flows.registry.versions import CHAMPION, policy_of
from ml.catalogue.counts import counts_of
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.versions import Version, save
from ml.core.command import run_app
from ml.core.files import write_json
from ml.data.schema import BLOCK

OUT = ROOT / "benchmarks/desk.json"
GOAL = 300  # ms, of the 95th percentile
NAME = "shop"
SIZE = 128  # of an embedding
PART = 20_000  # pictures of a part of the store
WARM = 3  # requests that are not counted, of each kind
WORDS = ("shirt", "linen", "crew", "striped", "polo", "slim", "denim", "print", "ribbed", "long")
COLOURS = ("Black", "White", "Blue", "Red", "Green", "Grey", "Pink", "Brown")
GROUPING = {
    "method": "complete",
    "threshold": 0.5,
    "block_prior": 20.0,
    "publish": 0.8,
    "baselines": {},
    "calibration": {"slope": 12.0, "intercept": -6.0, "annotated": 0.3, "variants": 1.0},
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    groups: Annotated[int, typer.Option(min=100, help="Groups of the catalogue.")] = 100_000,
    pairs: Annotated[int, typer.Option(min=10, help="Answered pairs.")] = 10_000,
    asked: Annotated[int, typer.Option(min=10, help="Requests of each kind.")] = 100,
) -> None:
    """Makes everything up, asks for the pages, and writes how long they took."""
    root = WORK / "desk"
    shutil.rmtree(root, ignore_errors=True)
    project = _project(root)
    model = _registry(project)
    products = _catalogue(project, groups, model)
    _answers(project, products, pairs)
    found: dict[str, Any] = {
        "groups": groups,
        "products": len(products),
        "answered_pairs": pairs,
        "asked": asked,
        "commit": commit("benchmarks/desk.json", "docs/speed.md"),
    }
    with _desk(project) as (address, process):
        found["first_page_s"] = _seconds(lambda: _get(address, "/groups/shop", "first"))
        _until_near(address, f"/groups/shop/{products['group'].iloc[0]}")
        pages = _pages(products, asked)
        found["desk"] = {name: _measured(address, urls, 1) for name, urls in pages.items()}
        found["desk_four_at_once"] = {
            name: _measured(address, urls, 4) for name, urls in pages.items()
        }
        print(json.dumps(found, indent=2), flush=True)
        found["desk_memory_mb"] = round(psutil.Process(process.pid).memory_info().rss / 1e6)
    with _mlflow(root, groups) as address:
        found["mlflow"] = {
            name: _measured(address, urls, 1) for name, urls in _mlflow_lists(groups, asked).items()
        }
    found["cores"], found["load"] = os.cpu_count(), [round(one, 1) for one in os.getloadavg()]
    slow = {name: one for name, one in found["desk"].items() if one["p95_ms"] > GOAL}
    found["goal_met"] = not slow
    print(json.dumps(found, indent=2))
    write_json(OUT, found)


def _project(root: Path) -> Project:
    root.mkdir(parents=True)
    for name in ("dvc.yaml", "params.yaml", "mlflow/promotion.yaml", ".gitignore"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    return Project(root)


def _registry(project: Project) -> str:
    """Registers a model whose files are empty but for how it groups; returns their digest."""
    client, names = connect(project), policy_of(project).models
    folder = project.room / "models/1"
    (folder / FOLDER).mkdir(parents=True)
    for name in NEEDED:
        (folder / FOLDER / name).touch()
    write_json(folder / FOLDER / "grouping.json", GROUPING)
    experiment = client.create_experiment("made up", (project.room / "runs").as_uri())
    for name in (names.candidates, names.production):
        client.create_registered_model(name)
        run = client.create_run(experiment).info.run_id
        client.create_model_version(name, str(folder), run)
    client.set_registered_model_alias(names.production, CHAMPION, "1")
    return digest_of(hash_files(folder))


def _catalogue(project: Project, groups: int, model: str) -> pd.DataFrame:
    """Keeps a version of so many groups, with embeddings and thumbnails; returns its products."""
    draw = np.random.default_rng(0)
    sizes = draw.choice([1, 2, 3, 4, 5], groups, p=[0.3, 0.35, 0.2, 0.1, 0.05])
    group = np.repeat(np.arange(groups), sizes)
    count = len(group)
    block = group // 25  # about 60 products
    table = pd.DataFrame(
        {
            "product_id": [f"{10_000_000 + one}" for one in draw.permutation(count)],
            "title": [
                " ".join(WORDS[one] for one in row) for row in draw.integers(0, 10, (count, 4))
            ],
            "brand": [f"brand {one % 400}" for one in block],
            "gender": np.where(block % 2, "Men", "Women"),
            "article_type": [f"type {one // 400}" for one in block],
            "base_colour": draw.choice(COLOURS, count),
            "sha256": [hashlib.sha256(str(one).encode()).hexdigest() for one in range(count)],
            "problem": None,
            "group": [f"g{one:019d}" for one in group],
            "opened": 1,
        }
    )
    several = np.repeat(sizes > 1, sizes)
    table["score"] = np.where(several, np.repeat(draw.random(groups), sizes), np.nan)
    table["band"] = np.where(several, np.where(table["score"] > 0.8, "publish", "review"), "leave")
    table["representative"] = ~table["group"].duplicated()
    store = store_of(project)
    vectors = _unit(draw.normal(size=(groups, SIZE)))[group]
    vectors = _unit(vectors + 0.5 * _unit(draw.normal(size=(count, SIZE))))
    kept, looks = PictureStore(store.below(f"embeddings/{model[:32]}")), looks_of(store)
    thumbnails = [_thumbnail(one) for one in range(200)]
    keys = (table["sha256"] + ":" + table["article_type"]).tolist()
    for at in range(0, count, PART):
        here = slice(at, at + PART)
        flat = pa.array(vectors[here].astype(np.float16).ravel())
        embedding = pa.FixedSizeListArray.from_arrays(flat, SIZE)
        problem = pa.nulls(len(embedding), pa.string())
        kept.add(pa.table({"key": keys[here], "embedding": embedding, "problem": problem}))
        number = np.arange(at, at + len(embedding))
        colour = [bytes([int(one) % 256, int(one) * 7 % 256, 120]) for one in number]
        small = [thumbnails[one % 200] for one in number]
        columns = [table["sha256"].iloc[here].tolist(), small, colour]
        looks.add(pa.table(columns, schema=SCHEMA))
    first = table.drop_duplicates(BLOCK).index
    places = table.groupby(BLOCK, sort=False).ngroup().to_numpy()
    totals = np.zeros((len(first), SIZE), np.float32)
    np.add.at(totals, places, vectors)
    means = table.loc[first, BLOCK].assign(
        products=np.bincount(places), total=pd.Series(list(totals), index=first, dtype=object)
    )
    facts = {
        "number": 1,
        "id": "made up",
        "catalogue": NAME,
        "predecessor": None,
        "model": f"models:/{policy_of(project).models.production}/1",
        "model_files": model,
        "clustering": "complete",
        "threshold": 0.5,
        "source": "/shops/shop",
        "columns": {},
        "corrections": None,
        "created": "2026-11-02T09:30:00+00:00",
        "by": "Ada",
        "counts": counts_of(table),
    }
    changes = pd.DataFrame(columns=["change", "group", "other", "product_id", "reason"])
    retired = pd.DataFrame(columns=["group", "successor", "version"])
    save(store, Version(facts, table, means, changes, retired))
    return table


def _unit(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _thumbnail(seed: int) -> bytes:
    """A JPEG of 112 × 84 pixels, of about 3 KB."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 255, (14, 11, 3), dtype=np.uint8))
    content = io.BytesIO()
    coarse.resize((84, 112), Image.Resampling.BICUBIC).save(content, "JPEG", quality=80)
    return content.getvalue()


def _answers(project: Project, products: pd.DataFrame, count: int) -> None:
    """Keeps a batch of pairs, of which all but 400 are answered."""
    mates = products["group"] == products["group"].shift()
    rows = np.flatnonzero(mates)[: count + 400]
    ids = products["product_id"].to_numpy(object)
    pairs = pd.DataFrame({"left": ids[rows - 1], "right": ids[rows]})
    pairs = pairs.assign(stratum="random", probability=0.1, why="drawn at random")
    facts = {"catalogue": NAME, "version": 1, "model": "made up", "mode": "train", "seed": 0}
    batch = add_batch(project, facts | {"overlap": 0.0, "by": "Ada"}, pairs, [])
    numbers = pairs_of(project, batch)["id"].tolist()[:count]
    said = [
        {"pair": one, "by": f"Person {one % 3}", "answer": "same" if one % 4 else "different"}
        for one in numbers
    ]
    add_decisions(project, [one | {"why": ""} for one in said])


def _pages(products: pd.DataFrame, asked: int) -> dict[str, list[str]]:
    """Returns the addresses of each kind of page."""
    draw = np.random.default_rng(1)
    chosen = products.iloc[draw.integers(0, len(products), asked + WARM)]
    several = chosen[chosen["band"] != "leave"]
    several = several.iloc[np.arange(asked + WARM) % len(several)]
    at = draw.integers(1, 1000, asked + WARM).tolist()
    shop = f"/groups/{NAME}"
    return {
        "start": ["/"] * (asked + WARM),
        "release": ["/release"] * (asked + WARM),
        "annotate": ["/annotate"] * (asked + WARM),
        "annotate, a batch": [f"/annotate/{NAME}-train-1"] * (asked + WARM),
        "annotate, the next pair": [f"/annotate/{NAME}-train-1/next"] * (asked + WARM),
        "groups, a page of the list": [f"{shop}?at={one}" for one in at],
        "groups, largest first": [f"{shop}?order=large&at={one}" for one in at],
        "groups of a brand": [f"{shop}?brand={one}" for one in chosen["brand"]],
        "groups to publish that say one colour and look another": [
            f"{shop}?looks=true&band=publish&at={one}" for one in at
        ],
        "search by words": [f"{shop}?q={one.replace(' ', '+')}" for one in chosen["title"]],
        "search by id": [f"{shop}?q={one}" for one in chosen["product_id"]],
        "a group": [f"{shop}/{one}" for one in chosen["group"]],
        "preview of a split": [
            f"{shop}/{one.group}/change?what=split&product={one.product_id}"
            for one in several.itertuples()
        ],
        "a thumbnail": [f"/picture/{NAME}/{one}?small" for one in chosen["sha256"]],
    }


def _measured(address: str, urls: Sequence[str], at_once: int) -> dict[str, Any]:
    """Asks for pages; the first `WARM` are not counted."""
    people = [f"Person {number}" for number in range(40)]  # each has a limit of its own

    def ask(place: int) -> tuple[float, int, int]:
        started = time.monotonic()
        answer = _get(address, urls[place], people[place % len(people)])
        return time.monotonic() - started, answer.status_code, len(answer.content)

    with ThreadPoolExecutor(at_once) as pool:
        found = list(pool.map(ask, range(len(urls))))[WARM:]
    took = np.array([one[0] for one in found]) * 1000
    codes = sorted({one[1] for one in found})
    p50, p95 = np.quantile(took, [0.5, 0.95]).round(1).tolist()
    size = round(float(np.median([one[2] for one in found])) / 1000, 1)
    print(f"{p50:7.1f} {p95:7.1f} ms  {urls[-1][:70]}", file=sys.stderr, flush=True)
    return {"p50_ms": p50, "p95_ms": p95, "kb": size} | ({} if codes == [200] else {"codes": codes})


_client = httpx.Client(timeout=120, limits=httpx.Limits(max_keepalive_connections=0))


def _get(address: str, url: str, person: str) -> httpx.Response:
    return _client.get(f"{address}{url}", headers={"X-User": person})


def _seconds(do: Callable[[], object]) -> float:
    started = time.monotonic()
    do()
    return round(time.monotonic() - started, 1)


def _until_near(address: str, url: str) -> None:
    """Waits until the embeddings are open: a group's page shows its nearest outsiders then."""
    while "are being read" in _get(address, url, "first").text:
        time.sleep(0.5)


@contextmanager
def _desk(project: Project) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "flows.cli", "desk", "--user-header", "X-User"]
    environment = {key: value for key, value in os.environ.items() if "MLFLOW" not in key}
    with subprocess.Popen(
        command,
        cwd=project.root,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout
            line = next(one for one in process.stdout if "http://" in one)
            yield re.findall(r"http://\S+", line)[0], process
        finally:
            process.send_signal(signal.SIGINT)


def _mlflow_lists(groups: int, asked: int) -> dict[str, list[str]]:
    """Returns what MLflow's page of registered models asks for."""
    draw = np.random.default_rng(2)
    chosen = draw.integers(0, groups, asked + WARM).tolist()
    models = "/api/2.0/mlflow/registered-models/search?max_results=50&order_by=name+ASC"
    versions = "/api/2.0/mlflow/model-versions/search?max_results=50"
    return {
        "registered models, the first page": [models] * (asked + WARM),
        "search of registered models": [
            f"{models}&filter=name+ILIKE+%27%25{one:06d}%25%27" for one in chosen
        ],
        "versions of one model": [
            f"{versions}&filter=name%3D%27group+{one:06d}%27" for one in chosen
        ],
    }


@contextmanager
def _mlflow(root: Path, count: int) -> Iterator[str]:
    """Serves a registry of so many models of one version each, on sqlite."""
    file, port = root / "mlflow-beside.db", 18_571
    client = MlflowClient(f"sqlite:///{file}", f"sqlite:///{file}")
    client.create_registered_model("group")
    client.create_model_version("group", str(root))
    names = [f"group {number:06d}" for number in range(count)]
    with closing(sqlite3.connect(file)) as connection, connection:
        for table in ("registered_models", "model_versions"):
            columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
            row = connection.execute(f"select * from {table}").fetchone()
            at, marks = columns.index("name"), ", ".join("?" * len(columns))
            connection.executemany(
                f"insert into {table} values ({marks})",
                ([*row[:at], name, *row[at + 1 :]] for name in names),
            )
    command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{file}", "--host", "127.0.0.1"]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            address = f"http://127.0.0.1:{port}"
            while not _answers_at(address):
                time.sleep(0.5)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def _answers_at(address: str) -> bool:
    try:
        return _client.get(f"{address}/health").status_code == 200
    except httpx.TransportError:
        return False


if __name__ == "__main__":
    run_app(app)
