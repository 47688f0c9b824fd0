"""`python -m benchmarks.crossval`: cross-validation over brands, so that each pair is test once.

Each row is trained five times, see `benchmarks.brand_folds`. Finished folds are not computed again.
"""

from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from benchmarks.brand_folds import (
    FOLDS,
    TRAINED,
    BrandFolds,
    Draws,
    gains,
    intervals,
    metric_table,
)
from benchmarks.checkout import ROOT
from benchmarks.embedded_row import FACTS, EmbeddedRow, embed_row
from benchmarks.markdown import signed_words, write_between
from benchmarks.results import REAL, ROWS, Source, prepare
from flows.local.overrides import apply_overrides
from ml.core.command import run_app
from ml.core.files import write_json
from ml.core.params import load_params
from ml.evaluate.params import EvaluateParams

OUT = Path(__file__).with_suffix(".json")
PAGE, MARK = ROOT / "docs/results.md", "<!-- written by benchmarks.crossval: -->"
DEFAULT = "pbcnet_semi-0"
ASKED = f"untrained_centered-0,untrained-0,{DEFAULT},pbcnet-0,moco_v2-0,triplet-0"

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Source = REAL,
    rows: Annotated[str, typer.Option(help="Rows of rows.yaml, comma-separated.")] = ASKED,
) -> None:
    """Trains what is missing, writes benchmarks/crossval.json and the table in docs/results.md."""
    recipes = yaml.safe_load(ROWS.read_text(encoding="utf-8"))
    draws: dict[str, Draws] = {}
    for name in rows.split(","):
        draws[name] = judged(name, recipes[name], source)
        found = {one: metrics(own, draws.get(DEFAULT)) for one, own in draws.items()}
        write_json(OUT, {"folds": FOLDS, "source": source, "rows": found})
        written = lines(found)
        print(written, flush=True)
        write_between(PAGE, MARK, written)


def metrics(own: Draws, default: Draws | None) -> dict[str, Any]:
    """The `intervals` of a row, and as "gain" what the default gains over it.

    "gain" is empty until the default has been computed.
    """
    return intervals(own) | {"gain": {} if default is None else gains(default, own)}


def lines(found: dict[str, Any]) -> str:
    """Tables of the metrics and of the default's gains, in Markdown."""
    gained = {row: own["gain"] for row, own in found.items() if own["gain"] and row != DEFAULT}
    first = metric_table("row", found)
    return first + (
        "\n" + metric_table("gain of the default over", gained, signed_words) if gained else ""
    )


def judged(name: str, params: dict[str, Any], source: str) -> Draws:
    """Computes the metrics of a row over all folds.

    Args:
        name, params: of the row.
    """
    folder = TRAINED / name
    folder.mkdir(parents=True, exist_ok=True)
    params_file = folder / "params.yaml"
    params_file.write_bytes((ROOT / "params.yaml").read_bytes())
    apply_overrides(folder, params)
    settings = load_params("evaluate", EvaluateParams, params_file)
    brands = BrandFolds(prepare(source, params_file), settings)
    ids = brands.products["product_id"].to_numpy(str)
    embeddings = []
    for place in range(FOLDS):
        own = folder / f"{place}"
        if not (own / FACTS).is_file():  # written last
            print(f"== {name}, fold {place + 1} of {FOLDS}", flush=True)
            prepared = brands.write_fold(place, own / "prepared")
            embed_row(prepared, params_file, own, brands.named, {})
        embeddings.append(EmbeddedRow(own).embeddings("photos", ids[brands.tested(place)]))
    return brands.draws(embeddings)


if __name__ == "__main__":
    run_app(app)
