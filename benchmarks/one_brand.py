"""A shop of one brand: the annotated photos with one value in the column brand.

The module runs `variants retrain` on the photos as they are, which are split by brand, and on a
copy in which all products are of one brand, which is split by design family. Both run in clones of
this checkout's commit, .variants/benchmarks/one-brand, with registries of their own. It writes
benchmarks/one_brand.json and the table in docs/shops.md.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from mlflow.artifacts import load_text
from mlflow.tracking import MlflowClient

from benchmarks.checkout import ROOT, WORK, commit
from benchmarks.markdown import interval_words, table
from ml.core.command import run_app
from ml.core.files import read_json, write_json

RESULT = Path(__file__).with_suffix(".json")
PAGE = ROOT / "docs/shops.md"
START, END = "<!-- written by benchmarks.one_brand: -->", "<!-- until here -->"
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


def retrain(name: str, source: Path) -> dict[str, Any]:
    """Trains a model of a shop in a fresh clone.

    Returns:
        {"split": content of split.json, "model" and "baselines": metrics of the test split,
        "gate": {"verdict", "failed", "proves"}}.
    """
    clone = WORK / "one-brand" / name
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


def write_page(rows: dict[str, Any]) -> None:
    """Writes the table between the marks of docs/shops.md."""
    lines = []
    for row in rows.values():
        for embedding, metrics in {"this model": row["model"], **row["baselines"]}.items():
            cells = [interval_words(metrics[metric]) for metric in SHOWN if metric in metrics]
            words = [row["split"]["by"].replace("_", " "), embedding.replace("_", " "), *cells]
            lines.append(f"| {' | '.join(words)} |")
    shown = [one.replace("_", " ") for one in SHOWN if one in rows["one brand"]["model"]]
    text = PAGE.read_text(encoding="utf-8")
    before, after = text.partition(START)[0], text.partition(END)[2]
    made = table(["split by", "embedding", *shown], lines)
    PAGE.write_text(f"{before}{START}\n\n{made}\n{END}{after}", encoding="utf-8")


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop with annotated pairs.")] = Path(
        "../shared/data/myntra"
    ),
) -> None:
    """Trains both models (each some minutes on 2 cores) and writes the figures beside each other.

    A model that is in benchmarks/one_brand.json already is not trained again.
    """
    result = read_json(RESULT) if RESULT.is_file() else {}
    shop = WORK / "one-brand/shop"
    shop.parent.mkdir(parents=True, exist_ok=True)
    copy_as_one_brand(source, shop)
    for name, place in (("one brand", shop), ("brand", source)):
        if name not in result:
            result[name] = retrain(name.replace(" ", "-"), place)
            result[name]["commit"] = commit("benchmarks/one_brand.json", "docs/shops.md")
            write_json(RESULT, result)
    if PAGE.is_file():
        write_page(result)


if __name__ == "__main__":
    run_app(app)
