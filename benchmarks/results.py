"""`make results`: trains every row of rows.yaml on real photos and writes the pages of results.

The pages, docs/results.md and docs/results-tables.md, are built from the rows' JSON files.

A finished row is benchmarks/results/NAME.json (metrics with intervals, params, commit, seconds);
rows that are there are not computed again, so an interrupted run goes on where it stopped.
"""

import hashlib
import shutil
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
import yaml
from PIL import Image

import ml.prepare.stage
import ml.validate.stage
from benchmarks.checkout import ROOT
from benchmarks.embedded_row import FACTS, EmbeddedRow, embed_row
from benchmarks.judge import judge, judge_elsewhere, prepared_shop
from benchmarks.pictures import draw_curves, draw_products
from benchmarks.tables import write_results
from flows.local.overrides import apply_overrides
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import read_json, read_table, write_json
from ml.core.params import load_params
from ml.evaluate.params import EvaluateParams
from ml.prepare.crop import CropParams
from ml.snapshot.stage import import_shop
from ml.synthetic import generate_shop

ROWS = Path(__file__).with_name("rows.yaml")
FINISHED = Path(__file__).with_name("results")
WORK = ROOT / ".variants/results"
# Second shops, and whether their colourways are recoloured pictures.
SHOPS = {"generated": False, "recoloured": True}
SHOP_SEED = 11
PHOTOS = "photos"  # what the folders of the shop with annotated pairs are called
# The first of these rows whose weights are still here has its pictures drawn.
SHOWN = "pbcnet_semi-*"
Source = Annotated[str, typer.Option(help="The shop with annotated pairs.")]
REAL = "../shared/data/myntra"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Source = REAL,
    elsewhere: Annotated[int, typer.Option(help="Products of each second shop.")] = 300,
    only: Annotated[
        str, typer.Option(help="Rows to compute, comma-separated; default all that are missing.")
    ] = "",
) -> None:
    """Computes the missing rows, then writes docs/results.md and docs/results-tables.md."""
    rows = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    unknown = set(wanted) - set(rows)
    if unknown:
        raise UserError(f"rows.yaml has no row {', '.join(sorted(unknown))}")
    for name, params in rows.items():
        if not (FINISHED / f"{name}.json").is_file() and (not wanted or name in wanted):
            print(f"== {name}: {params}", flush=True)
            write_json(FINISHED / f"{name}.json", compute(name, params, source, elsewhere))
    for page in write_results(FINISHED, ROOT / "docs"):
        print(f"written: {page}")
    finished = [read_json(file) for file in sorted(FINISHED.glob("*.json"))]
    draw_curves(finished, ROOT / "docs/images/curves.png")
    for weights in sorted(WORK.glob(f"{SHOWN}/encoder.safetensors"))[:1]:
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


def compute(name: str, params: dict[str, Any], source: str, elsewhere: int) -> dict[str, Any]:
    """Computes one row: prepares, trains where that is not done yet, and judges."""
    folder = WORK / name
    folder.mkdir(parents=True, exist_ok=True)
    params_file = folder / "params.yaml"
    shutil.copy(ROOT / "params.yaml", params_file)
    apply_overrides(folder, params)
    prepared = prepare(source, params_file)
    shops = {kind: second_shop(kind, elsewhere, params_file) for kind in SHOPS}
    if not (folder / FACTS).is_file():  # written last
        tables = [
            read_table(prepared / "pairs.parquet"),
            read_table(validated(PHOTOS) / "blocks.parquet"),
        ]
        annotated = [tables[0]["left"], tables[0]["right"], tables[1]["product_id"]]
        embed_row(prepared, params_file, folder, set(pd.concat(annotated)), shops)
    row = EmbeddedRow(folder)
    settings = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    history = pd.read_csv(folder / "history.csv").to_dict("records")
    return {
        "name": name,
        "params": params,
        "size": settings["prepare"]["side"],
        "method": settings["train"]["method"],
        "epochs": settings["train"]["epochs"],
        "kept_epoch": read_json(folder / "encoder.json")["epoch"],
        "numbers": int(row.arrays["photos"].shape[1]),
        "history": [
            {"epoch": row["epoch"], "dev_block_ap": row["dev_block_ap"]} for row in history
        ],
        **judge(prepared, row, params_file),
        "elsewhere": {
            kind: judge_elsewhere(shop, kind, row, params_file) for kind, shop in shops.items()
        },
        "command": f"python -m benchmarks.results --source {source} --only {name}",
        **row.facts,
    }


def validated(shop: str) -> Path:
    """The folder of the stage validate for a shop."""
    return WORK / f"{shop}-validated"


def prepare(source: str, params_file: Path, shop: str = PHOTOS) -> Path:
    """Imports, validates and prepares a shop, once for each way of cropping it.

    Args:
        shop: what its folders are called.
    """
    how = load_params("prepare", CropParams, params_file)
    snapshot, checked = WORK / f"{shop}-snapshot", validated(shop)
    if not snapshot.is_dir():
        import_shop(source, snapshot)
    if not (checked / "split.json").is_file():  # written last
        ml.validate.stage.main(
            snapshot, ROOT / "data/previous.json", ROOT / "data/gx", params_file, checked
        )
    recipe = hashlib.sha256(how.model_dump_json().encode()).hexdigest()[:8]
    prepared = WORK / f"{shop}-{how.localizer}-{how.side}-{recipe}"
    if not (prepared / "prepare.json").is_file():  # written last
        ml.prepare.stage.main(snapshot, checked, params_file, prepared)
    return prepared


def second_shop(kind: str, count: int, params_file: Path) -> Path:
    """A shop of `SHOPS` with so many products, generated once, prepared as the row's own is."""
    source = WORK / kind
    if not source.is_dir():
        generate_shop(source, count, SHOP_SEED, recoloured=SHOPS[kind])
    return prepare(str(source), params_file, kind)


if __name__ == "__main__":
    run_app(app)
