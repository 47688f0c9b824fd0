"""How often the measured colour of a product has the name that its shop gives it.

The colours are measured on every picture of the real photos, by split of the brands; the vocabulary
was chosen on the train brands. The naive baseline says the most frequent name of the train brands
always. It writes benchmarks/colours.json. Pictures are looked at once, in a store of its own.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer

from benchmarks.checkout import ROOT, WORK, commit
from flows.catalogue.looks import colours, keep_looks, looks_of
from ml.catalogue.colour_names import NAMES, measured_names, name_colours
from ml.catalogue.store import Store
from ml.core.command import run_app
from ml.core.files import read_table, write_json
from ml.snapshot.stage import import_shop
from ml.validate.split import SPLITS, split_of

OUT = ROOT / "benchmarks/colours.json"
RESAMPLES, SEED = 1000, 0

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop.")] = Path("../shared/data/myntra"),
) -> None:
    """Measures and writes the shares, with intervals by resampled brands."""
    folder = WORK / "colours"
    import_shop(str(source), folder / "snapshot")
    products = read_table(folder / "snapshot/catalog.parquet")
    products = products[products["sha256"].notna() & products["brand"].notna()]
    paths = [str(folder / "snapshot/images" / name) for name in products["sha256"]]
    looks = looks_of(Store(str(folder / "store")))
    keep_looks(looks, products.assign(image=paths))
    measured = colours(looks, products["sha256"])
    said = products["base_colour"]
    named = said.isin(set(NAMES)).to_numpy() & ~np.isnan(measured).any(axis=1)
    split = products["brand"].map(split_of).to_numpy()
    equal = measured_names(measured) == said.to_numpy(dtype=object)
    marked = name_colours(said, measured)["looks"].notna().to_numpy()
    usual = said[named & (split == "train")].mode().iloc[0]
    naive = (said == usual).to_numpy()
    found = {}
    for name in SPLITS:
        part = named & (split == name)
        brands = products.loc[part, "brand"].to_numpy()
        found[name] = {"products": int(part.sum())} | {
            what: _share(values[part], brands)
            for what, values in (
                ("same_name", equal),
                ("always_" + str(usual), naive),
                ("marked", marked),
            )
        }
    print(pd.DataFrame(found).T.to_string())
    write_json(OUT, {"commit": commit("benchmarks/colours.json"), "splits": found})


def _share(values: np.ndarray, brands: np.ndarray) -> dict[str, float]:
    """Returns a share, and its 95 % interval by a bootstrap of brands."""
    code, _ = pd.factorize(brands)
    count, hits = np.bincount(code), np.bincount(code, values)
    weights = np.random.default_rng(SEED).multinomial(
        len(count), np.full(len(count), 1 / len(count)), RESAMPLES
    )
    draws = (weights @ hits) / (weights @ count)
    low, high = np.quantile(draws, [0.025, 0.975])
    shown = {"value": values.mean(), "low": low, "high": high}
    return {name: round(float(value), 3) for name, value in shown.items()}


if __name__ == "__main__":
    run_app(app)
