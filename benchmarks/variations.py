"""`python -m benchmarks.variations`: what may be added to trained networks without training again.

It takes the default's networks in the five folds of `benchmarks.crossval`, which is run before, and
adds views of the picture, neighbours, or numbers of the product's outline to their embeddings.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import typer
from PIL import Image
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional

from benchmarks.brand_folds import FOLDS, BrandFolds, default_folds
from benchmarks.checkout import ROOT
from benchmarks.crossval import DEFAULT, WORDS, metrics
from benchmarks.markdown import interval_words, signed_words, table, write_between
from benchmarks.results import REAL, WORK, Source
from benchmarks.whitening import fold_features
from ml.core.command import run_app
from ml.core.files import replacing, write_json
from ml.data.blocks import block_mates, block_numbers, relative_to_block
from ml.evaluate.bootstrap import interval
from ml.model.embedding import map_pictures
from ml.model.encoder import load_encoder
from ml.model.whitening import fit_whitening
from ml.train.train_split import Excerpt

OUT = Path(__file__).with_suffix(".json")
PAGE, MARK = ROOT / "docs/trials.md", "<!-- written by benchmarks.variations: -->"
BASE, PLAIN = "the default", "192 px"
COMPONENTS, TYPICAL = 512, 2048  # numbers of an embedding; train products that fit the whitening


def resized(pictures: Tensor, side: int) -> Tensor:
    """Resizes pictures, float (batch, 3, height, width), to a square."""
    how: Any = {"mode": "bicubic", "align_corners": False, "antialias": True}
    return functional.interpolate(pictures, (side, side), **how).clamp(0, 1)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "256 px": partial(resized, side=256),
}
JOINED = {  # name → the views whose features are averaged before whitening
    BASE: (PLAIN,),
    "at 256 px": ("256 px",),
    "mean of 192 and 256 px": (PLAIN, "256 px"),
}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    source: Source = REAL,
) -> None:
    """Measures each variation, writes benchmarks/variations.json and a table in docs/trials.md."""
    brands = default_folds(source)
    folds = [Fold(brands, place) for place in range(FOLDS)]
    outlines, shapes = outline_numbers(brands), aspect_numbers(brands)
    ways: dict[str, Callable[[Fold], np.ndarray]] = {
        name: partial(Fold.embeddings, views=views) for name, views in JOINED.items()
    }
    ways |= {
        "with neighbours over 0.5 of similarity": with_neighbours,
        "with the outline, a tenth": partial(with_numbers, numbers=outlines, share=0.1),
        "with the outline, a fifth": partial(with_numbers, numbers=outlines, share=0.2),
        "with the aspect, a tenth": partial(with_numbers, numbers=shapes, share=0.1),
        "with the aspect, a fifth": partial(with_numbers, numbers=shapes, share=0.2),
    }
    draws = {}
    for name, way in ways.items():
        draws[name] = brands.draws([way(fold)[fold.place_of_tested] for fold in folds])
        print(f"{name}: {interval_words(interval(draws[name]['mean_ap']))}", flush=True)
    found: dict[str, dict[str, Any]] = {
        name: metrics(own, None) | {"gain": metrics(draws[BASE], own)["gain"]}
        for name, own in draws.items()
    }
    write_json(OUT, {"folds": FOLDS, "source": source, "ways": found})
    write_between(PAGE, MARK, lines(found))


def lines(found: dict[str, dict[str, Any]]) -> str:
    """Tables of the default's metrics, and of what each variation gains, in Markdown."""
    columns, base = list(WORDS.values()), found[BASE]
    own = f"| {BASE} | {' | '.join(interval_words(base[metric]) for metric in WORDS)} |"
    gains = [
        f"| {name} | {' | '.join(signed_words(one['gain'][metric]) for metric in WORDS)} |"
        for name, one in found.items()
        if name != BASE
    ]
    return f"{table(['', *columns], [own])}\n{table(['gain of', *columns], gains)}"


class Fold:
    """The default's network of a fold, and the products that it is asked about.

    Attributes:
        mates: int (any,), positions of all products of the blocks of the tested ones.
        place_of_tested: int (tested,), where the tested products are among `mates`.
        block: int (mates,).
    """

    def __init__(self, brands: BrandFolds, place: int) -> None:
        self.brands, self.place = brands, place
        self.folder = WORK / "crossval" / DEFAULT / f"{place}"
        tested = brands.tested(place)
        self.mates = block_mates(brands.products, tested)
        self.place_of_tested = np.searchsorted(self.mates, tested)
        self.block = block_numbers(brands.products)[self.mates]
        train = np.flatnonzero(brands.splits(place) == "train")
        self.typical = train[:: max(1, len(train) // TYPICAL)]

    def features(self, view: str) -> np.ndarray:
        """Maps mates, then typical train products: float32 (any, size), computed once."""
        chosen = np.concatenate([self.mates, self.typical])
        if view == PLAIN:
            return fold_features(self.brands, DEFAULT, self.place)[chosen]
        file = self.folder / f"features-{view.replace(' ', '-')}.npy"
        if not file.is_file():
            encoder = load_encoder(self.folder)[0]
            pictures = np.load(self.brands.prepared / "images.npy", mmap_mode="r")
            print(f"fold {self.place + 1}: {view}, {len(chosen)} products", flush=True)
            with torch.inference_mode():
                found = map_pictures(
                    encoder,
                    lambda batch: encoder.joined(VIEWS[view](batch)),
                    encoder.joined_size,
                    Excerpt(pictures, chosen),
                )
            with replacing(file) as beside, beside.open("wb") as opened:
                np.save(opened, found)
        return np.asarray(np.load(file))

    def embeddings(self, views: tuple[str, ...]) -> np.ndarray:
        """Whitens the mean features of views: float32 (mates, components), relative to blocks."""
        joined = np.sum([self.features(view) for view in views], axis=0)
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        own = len(self.mates)
        center, projection = fit_whitening(joined[own:], COMPONENTS, many=0)
        moved = (joined[:own] - center) @ projection
        moved /= np.linalg.norm(moved, axis=1, keepdims=True)
        return relative_to_block(moved, self.block, self.brands.settings.block_prior)


def with_neighbours(fold: Fold, least: float = 0.5) -> np.ndarray:
    """Adds to each embedding those of its block that are alike (Arandjelović and Zisserman 2012).

    Args:
        least: similarity from which on another product counts, by its similarity.
    """
    own = fold.embeddings((PLAIN,))
    moved = own.copy()
    for number in np.unique(fold.block):
        among = np.flatnonzero(fold.block == number)
        similarity = own[among] @ own[among].T
        np.fill_diagonal(similarity, 0)
        moved[among] += np.where(similarity > least, similarity, 0) @ own[among]
    return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True))


def with_numbers(fold: Fold, numbers: np.ndarray, share: float) -> np.ndarray:
    """Joins numbers of the products to their embeddings.

    Args:
        numbers: float (all products, any), each row of length 1.
        share: of the similarity that the numbers make.
    """
    own = fold.embeddings((PLAIN,))
    added = relative_to_block(numbers[fold.mates], fold.block, fold.brands.settings.block_prior)
    return np.concatenate([(1 - share) ** 0.5 * own, share**0.5 * added], axis=1)


def outline_numbers(brands: BrandFolds, side: int = 24, components: int = 32) -> np.ndarray:
    """The principal components of small masks, whitened: float (products, components)."""
    masks = np.load(brands.prepared / "masks.npy", mmap_mode="r")
    small = np.stack(
        [
            np.asarray(Image.fromarray(mask).resize((side, side), Image.Resampling.BOX)).ravel()
            for mask in masks
        ]
    )
    found = PCA(components, whiten=True, random_state=0).fit_transform(small / 255.0)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def aspect_numbers(brands: BrandFolds) -> np.ndarray:
    """The box's height over its width, as an angle: float (products, 2).

    Crops are squares, so that the network does not see it. A product twice as high as another is at
    a right angle to it.
    """
    box = brands.products
    height, width = box["box_bottom"] - box["box_top"], box["box_right"] - box["box_left"]
    angle = np.log2((height / width).to_numpy(float)) * np.pi / 2
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


if __name__ == "__main__":
    run_app(app)
