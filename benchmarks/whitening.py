"""`python -m benchmarks.whitening`: how many components to keep, and which products to fit on.

It whitens the features of two networks in each way: as they are before the first step, and as the
default has trained them in the five folds of `benchmarks.crossval`, which is run before. Nothing is
trained here, so that the trained network has contrasted in its own 512 components throughout.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer

from benchmarks.brand_folds import FOLDS, BrandFolds, Draws, default_folds
from benchmarks.checkout import ROOT
from benchmarks.crossval import DEFAULT, WORDS
from benchmarks.embedded_row import FACTS
from benchmarks.markdown import interval_words, table, write_between
from benchmarks.results import REAL, WORK, Source
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import replacing, write_json
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.bootstrap import interval
from ml.model.embedding import map_pictures
from ml.model.encoder import load_encoder
from ml.model.whitening import fit_whitening

OUT = Path(__file__).with_suffix(".json")
PAGE, MARK = ROOT / "docs/trials.md", "<!-- written by benchmarks.whitening: -->"
# Rows of benchmarks.crossval, and their folds; before the first step the network of all is one.
NETWORKS = {"untrained": ("untrained-0", [0] * FOLDS), "trained": (DEFAULT, range(FOLDS))}
COMPONENTS = (128, 256, 384, 512, 768, 1024)
FITTED = ("train", "all")

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Source = REAL,
) -> None:
    """Measures each way, writes benchmarks/whitening.json and the table in docs/trials.md."""
    brands = default_folds(source)
    found: dict[str, Any] = {}
    for network, (row, trained) in NETWORKS.items():
        features = [fold_features(brands, row, place) for place in trained]
        found[f"{network}, centered"] = judged(brands, features, 0, "train")
        for fitted in FITTED:
            for components in COMPONENTS:
                name = f"{network}, {components}, fitted on {fitted}"
                found[name] = judged(brands, features, components, fitted)
                print(f"{name}: {interval_words(found[name]['mean_ap'])}", flush=True)
    write_json(OUT, {"folds": FOLDS, "source": source, "ways": found})
    shown = [
        f"| {name} | {' | '.join(interval_words(own[metric]) for metric in WORDS)} |"
        for name, own in found.items()
    ]
    write_between(PAGE, MARK, table(["features", *WORDS.values()], shown))


def fold_features(brands: BrandFolds, row: str, place: int) -> np.ndarray:
    """Maps all products by the network of a fold: float32 (products, size), computed once.

    Raises:
        UserError: the fold has not been trained.
    """
    folder = WORK / "crossval" / row / f"{place}"
    file = folder / "features.npy"
    if not (folder / FACTS).is_file():
        raise UserError(f"{folder} holds no network: run python -m benchmarks.crossval before")
    if not file.is_file():
        encoder = load_encoder(folder)[0]
        pictures = np.load(brands.prepared / "images.npy", mmap_mode="r")
        with torch.inference_mode():
            features = map_pictures(encoder, encoder.joined, encoder.joined_size, pictures)
        with replacing(file) as beside, beside.open("wb") as opened:
            np.save(opened, features)
    return np.asarray(np.load(file))


def judged(
    brands: BrandFolds, features: list[np.ndarray], components: int, fitted: str
) -> dict[str, Any]:
    """Whitens the features of each fold and measures all folds together.

    Args:
        features: of each fold's network, see `fold_features`.
        components: that are kept; 0: features are centered only.
        fitted: "train", the products of each fold's train split, or "all" products.

    Returns:
        Each metric of `WORDS`: {"value", "low", "high"}.
    """
    block, embeddings = block_numbers(brands.products), []
    for place, own in enumerate(features):
        known = own if fitted == "all" else own[brands.splits(place) == "train"]
        center, projection = fit_whitening(known, components, many=0) if components else (0, None)
        moved = own - known.mean(axis=0) if projection is None else (own - center) @ projection
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        relative = relative_to_block(moved, block, brands.settings.block_prior)
        embeddings.append(relative[brands.tested(place)])
    draws: Draws = brands.draws(embeddings)
    return {metric: interval(draws[metric]) for metric in WORDS}


if __name__ == "__main__":
    run_app(app)
