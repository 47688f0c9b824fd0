"""`make results`: trains every row of rows.yaml on real photos and writes the pages of results.

The pages, docs/results.md and docs/results-tables.md, are built from the rows' JSON files.

A finished row is benchmarks/results/NAME.json (metrics with intervals, params, commit, seconds);
rows that are there are not computed again, so an interrupted run goes on where it stopped.
"""

import hashlib
import platform
import shutil
import time
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import typer
import yaml
from PIL import Image

import ml.prepare.stage
import ml.train.stage
import ml.validate.stage
from benchmarks.checkout import ROOT, commit
from benchmarks.judge import judge, judge_elsewhere, prepared_shop
from benchmarks.pictures import draw_curves, draw_products
from benchmarks.tables import write_results
from flows.local.overrides import apply_overrides
from ml.core.command import run_app
from ml.core.device import exact
from ml.core.errors import UserError
from ml.core.files import read_json, write_json
from ml.core.params import load_params
from ml.evaluate.params import EvaluateParams
from ml.prepare.crop import CropParams
from ml.snapshot.stage import import_shop
from ml.synthetic import generate_shop
from ml.train.params import load_train_params
from ml.train.prefetch import prefetch
from ml.train.stage import load_split
from ml.train.trainer import Trainer

ROWS = Path(__file__).with_name("rows.yaml")
FINISHED = Path(__file__).with_name("results")
WORK = ROOT / ".variants/results"
# Second shops, and whether their colourways are recoloured pictures.
SHOPS = {"generated": False, "recoloured": True}
SHOP_SEED = 11
# The first of these rows whose weights are still here has its pictures drawn.
SHOWN = "pbcnet_semi-*"
WARMUP, TIMED = 3, 12  # steps: only the latter are measured, to foresee an epoch's time

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[
        str, typer.Option(help="The shop with annotated pairs.")
    ] = "../shared/data/myntra",
    minutes: Annotated[
        float, typer.Option(help="Training time of each row without its own; whole epochs.")
    ] = 10,
    elsewhere: Annotated[int, typer.Option(help="Products of each second shop.")] = 300,
    only: Annotated[
        str, typer.Option(help="Rows to compute, comma-separated; default all that are missing.")
    ] = "",
) -> None:
    """Computes the missing rows, then writes docs/results.md and docs/results-tables.md."""
    groups = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(wanted) - {name for rows in groups.values() for name in rows}
    if unknown:
        raise UserError(f"rows.yaml has no row {', '.join(sorted(unknown))}")
    for group, rows in groups.items():
        for name, params in rows.items():
            if not (FINISHED / f"{name}.json").is_file() and (not wanted or name in wanted):
                print(f"== {name}: {params}", flush=True)
                own = {param: value for param, value in params.items() if param != "minutes"}
                row = compute(group, name, own, source, params.get("minutes", minutes), elsewhere)
                write_json(FINISHED / f"{name}.json", row)
    for page in write_results(FINISHED, ROOT / "docs"):
        print(f"written: {page}")
    rows = [read_json(file) for file in sorted(FINISHED.glob("*.json"))]
    draw_curves([row for row in rows if row["group"] == "methods"], ROOT / "docs/images/curves.png")
    for weights in sorted(WORK.glob(f"{SHOWN}/encoder.json"))[:1]:
        draw(source, weights.parent)


def draw(source: str, row: Path) -> None:
    """Pictures of what a row's model has learnt: of the dev brands, and of the generated shop."""
    params_file = row / "params.yaml"
    params = load_params("evaluate", EvaluateParams, params_file)
    products, pairs, pictures = prepared_shop(prepare(source, params_file))
    dev = np.flatnonzero(products["split"] == "dev")
    draw_products(row, products.iloc[dev], pairs, pictures[dev], params, WORK / "pictures")
    print(
        f"pictures of the dev brands: {WORK / 'pictures'} (photos of the shop: not to be published)"
    )
    draw_products(
        row,
        *prepared_shop(prepare(str(WORK / "generated"), params_file, "generated")),
        params,
        WORK / "drawings",
    )
    for name in ("slices.jpg", "map.jpg", "mistakes-before.png", "mistakes-after.png"):
        with Image.open(WORK / "drawings" / name) as picture:
            picture.save((ROOT / "docs/images" / name).with_suffix(".jpg"), quality=85)


def compute(
    group: str, name: str, params: dict[str, Any], source: str, minutes: float, elsewhere: int
) -> dict[str, Any]:
    """Computes one row: prepares, trains and judges.

    Ablations are judged on dev alone, so that no choice is made on test.
    """
    folder, reported = WORK / name, group == "methods"
    folder.mkdir(parents=True, exist_ok=True)
    params_file = folder / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params_file)
    apply_overrides(folder, params)
    prepared = prepare(source, params_file)
    apply_overrides(
        folder, {"train.epochs": affordable_epochs(prepared, params_file, minutes * 60)}
    )
    settings = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    started = time.monotonic()
    ml.train.stage.main(prepared, params_file, folder)
    seconds = time.monotonic() - started
    history = pd.read_csv(folder / "history.csv").to_dict("records")
    return {
        "group": group,
        "name": name,
        "params": params,
        "size": settings["prepare"]["side"],
        "method": settings["train"]["method"],
        "epochs": settings["train"]["epochs"],
        "kept_epoch": read_json(folder / "encoder.json")["epoch"],
        "train_seconds": round(seconds),
        "history": [
            {"epoch": row["epoch"], "dev_block_ap": row["dev_block_ap"]} for row in history
        ],
        **judge(prepared, folder, params_file, ["dev", "test"] if reported else ["dev"]),
        "elsewhere": {
            kind: judge_elsewhere(second_shop(kind, elsewhere, params_file), folder, params_file)
            for kind in SHOPS
            if reported
        },
        "command": f"python -m benchmarks.results --source {source} --minutes {minutes:g} "
        f"--only {name}",
        "commit": commit("docs", "benchmarks/results"),
        "machine": f"{platform.machine()}, {settings['train']['threads']} threads",
    }


def prepare(source: str, params_file: Path, shop: str = "photos") -> Path:
    """Imports, validates and prepares a shop, once for each way of cropping it.

    Args:
        shop: what its folders are called.
    """
    how = load_params("prepare", CropParams, params_file)
    snapshot, validated = WORK / f"{shop}-snapshot", WORK / f"{shop}-validated"
    if not snapshot.is_dir():
        import_shop(source, snapshot)
    if not (validated / "split.json").is_file():  # written last
        ml.validate.stage.main(
            snapshot, ROOT / "data/previous.json", ROOT / "data/gx", params_file, validated
        )
    recipe = hashlib.sha256(how.model_dump_json().encode()).hexdigest()[:8]
    prepared = WORK / f"{shop}-{how.localizer}-{how.side}-{recipe}"
    if not (prepared / "prepare.json").is_file():  # written last
        ml.prepare.stage.main(snapshot, validated, params_file, prepared)
    return prepared


def affordable_epochs(prepared: Path, params_file: Path, budget: float) -> int:
    """Whole epochs that fit into the budget, foreseen from a few measured steps.

    Args:
        budget: seconds of training.

    Returns:
        At least one epoch; 0 where the budget is 0.
    """
    if not budget:
        return 0
    params = load_train_params(params_file)
    exact(params.threads)
    shuffle = torch.Generator().manual_seed(0)
    batches = params.method_class.batches(
        load_split(prepared), params.batch, params.method_params, shuffle
    )
    trainer = Trainer(params, WARMUP + TIMED, shuffle)
    started = 0.0
    for place, batch in enumerate(islice(prefetch(batches, trainer.fabric.device), WARMUP + TIMED)):
        if place == WARMUP:
            started = time.monotonic()
        trainer.step(batch)
    step = (time.monotonic() - started) / TIMED
    epochs = max(1, round(budget / (step * len(batches))))
    print(
        f"{step * 1000:.0f} ms a step, {len(batches)} steps an epoch: {epochs} epochs", flush=True
    )
    return epochs


def second_shop(kind: str, count: int, params_file: Path) -> Path:
    """A shop of `SHOPS` with so many products, generated once, prepared as the row's own is."""
    source = WORK / kind
    if not source.is_dir():
        generate_shop(source, count, SHOP_SEED, recoloured=SHOPS[kind])
    return prepare(str(source), params_file, kind)


if __name__ == "__main__":
    run_app(app)
