"""`python -m benchmarks.whitening`: how many components to keep, and which products to fit on.

It whitens the features of two networks in each way: as they are before the first step, and as the
default has trained them in the five folds of `benchmarks.crossval`, which is run before. Nothing is
trained here, so that the trained network has contrasted in its own 512 components throughout.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from torch import Tensor

from benchmarks.brand_folds import (
    FOLDS,
    TRAINED,
    BrandFolds,
    default_folds,
    intervals,
    metric_table,
)
from benchmarks.checkout import ROOT
from benchmarks.crossval import DEFAULT
from benchmarks.embedded_row import FACTS
from benchmarks.markdown import interval_words, write_between
from benchmarks.results import REAL, Source
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import replacing, write_json
from ml.data.blocks import block_numbers, relative_to_block
from ml.model.embedding import Pictures, map_pictures
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
def main(source: Source = REAL) -> None:
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
    write_between(PAGE, MARK, metric_table("features", found))


def fold_features(brands: BrandFolds, row: str, place: int) -> np.ndarray:
    """Maps all products by the network of a fold: float32 (products, size), computed once."""
    pictures = np.load(brands.prepared / "images.npy", mmap_mode="r")
    return mapped(TRAINED / row / f"{place}", "features.npy", pictures)


def mapped(
    folder: Path,
    name: str,
    pictures: Pictures,
    view: Callable[[Tensor], Tensor] = lambda pictures: pictures,
) -> np.ndarray:
    """Maps pictures by a network, and keeps the features in a file beside it.

    Args:
        folder: of the network.
        name: of the file; if it is there, nothing is computed.
        pictures: uint8 (products, height, width, 3).
        view: changes pictures, float (batch, 3, height, width), before they are mapped.

    Returns:
        float32 (products, size).

    Raises:
        UserError: the network has not been trained.
    """
    if not (folder / FACTS).is_file():
        raise UserError(f"{folder} holds no network: run python -m benchmarks.crossval before")
    if not (folder / name).is_file():
        print(f"{folder}: {name}, {len(pictures)} products", flush=True)
        encoder = load_encoder(folder)[0]
        with torch.inference_mode():
            features = map_pictures(
                encoder, lambda batch: encoder.joined(view(batch)), encoder.joined_size, pictures
            )
        with replacing(folder / name) as beside, beside.open("wb") as file:
            np.save(file, features)
    return np.asarray(np.load(folder / name))


def judged(
    brands: BrandFolds, features: list[np.ndarray], components: int, fitted: str
) -> dict[str, Any]:
    """Whitens the features of each fold and measures all folds together.

    Args:
        features: of each fold's network, see `fold_features`.
        components: that are kept; 0: features are centered only.
        fitted: "train", the products of each fold's train split, or "all" products.

    Returns:
        As `intervals`.
    """
    block, embeddings = block_numbers(brands.products), []
    for place, own in enumerate(features):
        known = own if fitted == "all" else own[brands.splits(place) == "train"]
        moved = whitened(own, known, components)
        relative = relative_to_block(moved, block, brands.settings.block_prior)
        embeddings.append(relative[brands.tested(place)])
    return intervals(brands.draws(embeddings))


def whitened(features: np.ndarray, known: np.ndarray, components: int) -> np.ndarray:
    """Whitens features wholly, however few they are fitted on.

    Args:
        features: float32 (products, size).
        known: float32 (any, size), those that the whitening is fitted on.
        components: that are kept; 0: features are centered only.

    Returns:
        float32 (products, components or size), each embedding of length 1.
    """
    if components:
        center, projection = fit_whitening(known, components, many=0)
        moved = (features - center) @ projection
    else:
        moved = features - known.mean(axis=0)
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


if __name__ == "__main__":
    run_app(app)
