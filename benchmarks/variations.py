"""`python -m benchmarks.variations`: what may be added to trained networks without training again.

It takes the default's networks in the five folds of `benchmarks.crossval`, which is run before, and
adds views of the picture, neighbours, or numbers of the product's outline to their embeddings.
"""

from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import typer
from PIL import Image
from sklearn.decomposition import PCA
from torch import Tensor
from torch.nn import functional

from benchmarks.brand_folds import (
    FOLDS,
    TRAINED,
    BrandFolds,
    default_folds,
    gains,
    intervals,
    metric_table,
)
from benchmarks.checkout import ROOT
from benchmarks.crossval import DEFAULT
from benchmarks.markdown import interval_words, signed_words, write_between
from benchmarks.results import REAL, Source
from benchmarks.whitening import fold_features, mapped, whitened
from ml.core.command import run_app
from ml.core.files import write_json
from ml.data.blocks import block_mates, block_numbers, relative_to_block
from ml.evaluate.bootstrap import interval
from ml.train.train_split import Excerpt

OUT = Path(__file__).with_suffix(".json")
PAGE, MARK = ROOT / "docs/trials.md", "<!-- written by benchmarks.variations: -->"
BASE = "the default"
COMPONENTS, TYPICAL = 512, 2048  # numbers of an embedding; train products that fit the whitening
# Name → the sides in pixels of the views whose features are averaged before whitening; 0: as it is.
VIEWS = {"at 256 px": (256,), "mean of 192 and 256 px": (0, 256)}

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(source: Source = REAL) -> None:
    """Measures each variation, writes benchmarks/variations.json and a table in docs/trials.md."""
    brands = default_folds(source)
    folds = [Fold(brands, place) for place in range(FOLDS)]
    outlines, shapes = outline_numbers(brands), aspect_numbers(brands)
    ways: dict[str, Callable[[Fold], np.ndarray]] = {
        BASE: lambda fold: fold.plain,
        **{name: partial(Fold.embeddings, sides=sides) for name, sides in VIEWS.items()},
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
        name: intervals(own) | {"gain": gains(own, draws[BASE])} for name, own in draws.items()
    }
    write_json(OUT, {"folds": FOLDS, "source": source, "ways": found})
    write_between(PAGE, MARK, lines(found))


def lines(found: dict[str, dict[str, Any]]) -> str:
    """Tables of the default's metrics, and of what each variation gains, in Markdown."""
    gained = {name: one["gain"] for name, one in found.items() if name != BASE}
    base = metric_table("", {BASE: found[BASE]})
    return f"{base}\n{metric_table('gain of', gained, signed_words)}"


class Fold:
    """The default's network of a fold, and the products that it is asked about.

    Attributes:
        mates: int (any,), positions of all products of the blocks of the tested ones.
        place_of_tested: int (tested,), where the tested products are among `mates`.
        block: int (mates,).
    """

    def __init__(self, brands: BrandFolds, place: int) -> None:
        self.brands, self.place = brands, place
        tested = brands.tested(place)
        self.mates = block_mates(brands.products, tested)
        self.place_of_tested = np.searchsorted(self.mates, tested)
        self.block = block_numbers(brands.products)[self.mates]
        train = np.flatnonzero(brands.splits(place) == "train")
        self.typical = train[:: max(1, len(train) // TYPICAL)]

    def features(self, side: int) -> np.ndarray:
        """Maps mates, then typical train products: float32 (any, size), computed once.

        Args:
            side: in pixels, to which pictures are resized; 0: they stay as they are.
        """
        chosen = np.concatenate([self.mates, self.typical])
        if not side:
            return fold_features(self.brands, DEFAULT, self.place)[chosen]
        pictures = np.load(self.brands.prepared / "images.npy", mmap_mode="r")
        view = partial(resized, side=side)
        folder = TRAINED / DEFAULT / f"{self.place}"
        return mapped(folder, f"features-{side}.npy", Excerpt(pictures, chosen), view)

    def embeddings(self, sides: tuple[int, ...]) -> np.ndarray:
        """Whitens the mean features of views: float32 (mates, components), relative to blocks."""
        joined = np.sum([self.features(side) for side in sides], axis=0)
        joined /= np.linalg.norm(joined, axis=1, keepdims=True)
        own = len(self.mates)
        moved = whitened(joined[:own], joined[own:], COMPONENTS)
        return relative_to_block(moved, self.block, self.brands.settings.block_prior)

    @cached_property
    def plain(self) -> np.ndarray:
        """The default's embeddings: float32 (mates, components), relative to blocks."""
        return self.embeddings((0,))


def resized(pictures: Tensor, side: int) -> Tensor:
    """Resizes pictures, float (batch, 3, height, width), to a square."""
    how: Any = {"mode": "bicubic", "align_corners": False, "antialias": True}
    return functional.interpolate(pictures, (side, side), **how).clamp(0, 1)


def with_neighbours(fold: Fold, least: float = 0.5) -> np.ndarray:
    """Adds to each embedding those of its block that are alike (Arandjelović and Zisserman 2012).

    Args:
        least: similarity from which on another product counts, by its similarity.
    """
    own = fold.plain
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
    own = fold.plain
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
