"""A shop of one brand: the annotated photos with one value in the column brand.

The module runs `variants retrain` on a copy of the photos in which all products are of one brand,
so that it is split by design family, in a clone of this checkout's commit. It writes
benchmarks/one_brand.json and the table in docs/shops.md, beside the row of docs/results.md with the
same params and seed, which is split by brand.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import fill
from typing import Annotated, Any

import pandas as pd
import typer
from mlflow.artifacts import load_text
from mlflow.tracking import MlflowClient

from benchmarks.checkout import ROOT, WORK, commit
from benchmarks.markdown import interval_words, table, write_between
from ml.core.command import run_app
from ml.core.files import read_json, write_json

RESULT = Path(__file__).with_suffix(".json")
NORMAL = Path(__file__).with_name("results") / "pbcnet_semi-0.json"  # the default params
PAGE = ROOT / "docs/shops.md"
START = "<!-- written by benchmarks.one_brand: -->"
CANDIDATE = "color-variants-candidates"
SHOWN = ("block_ap", "hard_ap", "recall_at_1", "cgacc")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


def copy_as_one_brand(source: Path, shop: Path) -> None:
    """Copies a shop, with one value in the column brand and hard links to the pictures."""
    shutil.rmtree(shop, ignore_errors=True)
    shutil.copytree(source, shop, copy_function=os.link)
    (shop / "catalog.csv").unlink()
    catalog = pd.read_csv(source / "catalog.csv", dtype=str, keep_default_na=False)
    catalog.assign(brand="One brand").to_csv(shop / "catalog.csv", index=False)


def retrain(source: Path) -> dict[str, Any]:
    """Trains a model of a shop in a fresh clone.

    Returns:
        {"split": content of split.json, "model" and "baselines": metrics of the test split,
        "gate": {"verdict", "failed", "proves"}}.
    """
    clone = WORK / "one-brand/clone"
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    for key, value in (("name", "Benchmark"), ("email", "benchmark@example.org")):
        subprocess.run(["git", "config", f"user.{key}", value], cwd=clone, check=True)
    ours = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    command = [sys.executable, "-m", "flows.cli", "retrain", "--source", str(source.resolve())]
    environment = ours | {"PYTHONPATH": str(clone)}
    subprocess.run(command, cwd=clone, env=environment, check=True)
    uri = f"sqlite:///{clone}/.variants/mlflow.db"
    client = MlflowClient(uri, uri)
    run = client.get_run(str(client.get_model_version(CANDIDATE, "1").run_id))
    metrics, decision = (
        json.loads(load_text(f"{run.info.artifact_uri}/{file}"))
        for file in ("metrics.json", "gate/decision.json")
    )
    failed = [check["name"] for check in decision["checks"] if not check["passed"]]
    passed = "passed" if decision["passed"] else "refused"
    return {
        "split": metrics["split"],
        "model": metrics["model"]["test"],
        "baselines": {key: entry["test"] for key, entry in metrics["baselines"].items()},
        "gate": {"verdict": passed, "failed": failed, "proves": decision["proves"]},
    }


def write_page(one_brand: dict[str, Any]) -> None:
    """Writes the table between the marks of docs/shops.md."""
    normal = read_json(NORMAL)
    by_brand = {"model": normal["figures"]["test"]}
    by_brand["baselines"] = {name: entry["test"] for name, entry in normal["baselines"].items()}
    lines = []
    for split, row in {"brand": by_brand, "design family": one_brand}.items():
        for embedding, metrics in {"this model": row["model"], **row["baselines"]}.items():
            cells = [interval_words(metrics[name]) for name in SHOWN]
            lines.append(f"| {' | '.join([split, embedding.replace('_', ' '), *cells])} |")
    gate = one_brand["gate"]
    failed = f" ({', '.join(gate['failed'])})" if gate["failed"] else ""
    words = (
        f"By brand: {normal['commit']}; by design family: {one_brand['commit']}, {gate['verdict']} "
        f"by the gate{failed}, which notes: “The test split holds {gate['proves']}.”"
    )
    made = table(["split by", "embedding", *(name.replace("_", " ") for name in SHOWN)], lines)
    made += f"\n{fill(words, 100, break_on_hyphens=False)}\n"
    write_between(PAGE, START, made)


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop with annotated pairs.")] = Path(
        "../shared/data/myntra"
    ),
) -> None:
    """Trains the model (some minutes on 2 cores) and writes its metrics beside the normal split's.

    A model that is in benchmarks/one_brand.json already is not trained again.
    """
    if not RESULT.is_file():
        shop = WORK / "one-brand/shop"
        shop.parent.mkdir(parents=True, exist_ok=True)
        copy_as_one_brand(source, shop)
        made = commit("benchmarks/one_brand.json", "docs/shops.md")
        write_json(RESULT, retrain(shop) | {"commit": made})
    write_page(read_json(RESULT))


if __name__ == "__main__":
    run_app(app)
