"""`python -m benchmarks.crossval`: cross-validation over brands, so that each pair is test once.

Whole brands make five folds. A fold is test, the next one dev, and the other three train, as in the
project's own split. The embeddings of all folds are then judged together: no pair joins two brands,
so that embeddings of two networks are never compared. Finished folds are not computed again.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
import yaml

from benchmarks.checkout import ROOT
from benchmarks.embedded_row import FACTS, EmbeddedRow, embed_row
from benchmarks.markdown import interval_words, table
from benchmarks.results import PHOTOS, ROWS, WORK, prepare, validated
from flows.local.overrides import apply_overrides
from ml.core.command import run_app
from ml.core.files import read_table, write_json, write_table
from ml.core.params import load_params
from ml.data.annotations import build_annotations
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.params import EvaluateParams

OUT = Path(__file__).with_suffix(".json")
FOLDS, SEED = 5, 7
ASKED = "untrained_centered-0,untrained-0,pbcnet_semi-0,pbcnet-0,moco_v2-0,triplet-0"
COLUMNS = {"block_ap": "block AP", "mean_ap": "mean AP", "recall_at_1": "recall@1"}
COMPLETE = "block_ap_complete"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[
        str, typer.Option(help="The shop with annotated pairs.")
    ] = "../shared/data/myntra",
    rows: Annotated[str, typer.Option(help="Rows of rows.yaml, comma-separated.")] = ASKED,
) -> None:
    """Trains what is missing, prints a table and writes benchmarks/crossval.json."""
    recipes, found = yaml.safe_load(ROWS.read_text(encoding="utf-8")), {}
    for name in rows.split(","):
        found[name] = judged(name, recipes[name], source)
        lines = [
            f"| {one} | {' | '.join(interval_words(value) for value in metrics.values())} |"
            for one, metrics in found.items()
        ]
        write_json(OUT, {"folds": FOLDS, "source": source, "rows": found})
        print(table(["row", *COLUMNS.values(), "block AP, complete blocks"], lines), flush=True)


def judged(name: str, params: dict[str, Any], source: str) -> dict[str, Any]:
    """Computes the metrics of a row over all folds.

    Args:
        name, params: of the row.

    Returns:
        Each of `COLUMNS` and `COMPLETE`: {"value", "low", "high"}.
    """
    folder = WORK / "crossval" / name
    folder.mkdir(parents=True, exist_ok=True)
    params_file = folder / "params.yaml"
    params_file.write_bytes((ROOT / "params.yaml").read_bytes())
    apply_overrides(folder, params)
    prepared = prepare(source, params_file)
    products, pairs = (read_table(prepared / f"{one}.parquet") for one in ("products", "pairs"))
    tables = [
        read_table(validated(PHOTOS) / f"{one}.parquet")
        for one in ("blocks", "blocks_unsure_pairs")
    ]
    annotations, truth = (
        build_annotations(products, pairs),
        build_complete_blocks(products, *tables),
    )
    asked = np.union1d(annotations.indices, truth.indices)
    ids = products["product_id"].to_numpy(str)
    named = {*pairs["left"], *pairs["right"], *tables[0]["product_id"]}
    fold = folds(products["brand"], np.isin(ids, list(named)))
    embeddings: list[np.ndarray] = []
    for place in range(FOLDS):
        own = folder / f"{place}"
        if not (own / FACTS).is_file():  # written last
            print(f"== {name}, fold {place + 1} of {FOLDS}", flush=True)
            embed_row(split(prepared, fold, place, own), params_file, own, named, {})
        test = asked[fold[asked] == place]
        embeddings.append(EmbeddedRow(own).embeddings("photos", ids[test]))
    order = np.concatenate([asked[fold[asked] == place] for place in range(FOLDS)])
    joined = np.concatenate(embeddings)[np.argsort(order)]  # in the order of `asked`
    settings = load_params("evaluate", EvaluateParams, params_file)
    resamples = Resamples(annotations, settings.resamples, settings.seed)
    one = Evaluation(joined[np.searchsorted(asked, annotations.indices)], resamples)
    metrics = {column: interval(one.draws(column, 0.0)) for column in COLUMNS}
    complete = joined[np.searchsorted(asked, truth.indices)]
    return metrics | {COMPLETE: block_ap(complete, truth, settings)}


def block_ap(
    embeddings: np.ndarray, truth: CompleteBlocks, settings: EvaluateParams
) -> dict[str, float | None]:
    """Computes block AP on complete blocks with its interval."""
    one = CompleteEvaluation(embeddings, truth, settings.resamples, settings.seed)
    alone = np.arange(len(embeddings))  # groups do not matter for it
    return one.metrics(alone, None, None)["block_ap"]


def folds(brand: pd.Series, annotated: np.ndarray) -> np.ndarray:
    """Puts each brand into the fold with the fewest annotated products, the largest brands first.

    Args:
        brand: of each product.
        annotated: bool (products,).

    Returns:
        int (products,), the fold of each product.
    """
    weight = pd.Series(annotated).groupby(brand.to_numpy()).sum()
    brands = sorted(weight.index)
    np.random.default_rng(SEED).shuffle(brands)
    load, place = np.zeros(FOLDS), {}
    for name in sorted(brands, key=lambda name: -weight[name]):
        place[name] = int(load.argmin())
        load[place[name]] += weight[name] + 0.01  # brands without annotations are spread too
    return brand.map(place).to_numpy(int)


def split(prepared: Path, fold: np.ndarray, place: int, own: Path) -> Path:
    """Makes a folder like that of the stage prepare, in which a fold is test and the next one dev.

    Args:
        prepared: folder of the stage prepare; its arrays are linked to.
        fold: int (products,).
        place: of the fold that is test.
        own: folder of the row and fold.
    """
    folder = own / "prepared"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("images.npy", "masks.npy", "pairs.parquet", "prepare.json"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(prepared / name)
    later = np.where(fold == (place + 1) % FOLDS, "dev", "train")
    products = read_table(prepared / "products.parquet")
    write_table(
        folder / "products.parquet", products.assign(split=np.where(fold == place, "test", later))
    )
    return folder


if __name__ == "__main__":
    run_app(app)
