"""Folds of whole brands, and the metrics of embeddings over all of them together.

Whole brands make five folds. A fold is test, the next one dev, and the other three train, as in the
project's own split. The embeddings of all folds are judged together: no pair joins two brands, so
that embeddings of two networks are never compared.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.checkout import ROOT
from benchmarks.markdown import interval_words, table
from benchmarks.results import PHOTOS, WORK, prepare, validated
from ml.core.files import read_table, write_table
from ml.core.params import load_params
from ml.data.annotations import build_annotations
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.complete_blocks import build_complete_blocks
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.evaluate.params import EvaluateParams

FOLDS, SEED = 5, 7
TRAINED = WORK / "crossval"  # in it a folder for each row, and in that one for each fold
# Metrics of annotated pairs, and that of the pairs of complete blocks.
COLUMNS = {"block_ap": "block AP", "mean_ap": "mean AP", "recall_at_1": "recall@1"}
WORDS = {**COLUMNS, COMPLETE_BLOCK_AP: "block AP, complete blocks"}
Draws = dict[str, np.ndarray]  # metric → float (1 + resamples,), the value itself first


class BrandFolds:
    """The products of a shop in folds.

    Args:
        prepared: folder of the stage prepare of the shop with annotated pairs.
        settings: of the stage evaluate; they hold the number of resamples and their seed.

    Attributes:
        products: the table of the stage prepare.
        named: ids of the products with annotations.
        fold: int (products,), from 0.
    """

    def __init__(self, prepared: Path, settings: EvaluateParams) -> None:
        self.prepared, self.settings = prepared, settings
        self.products = read_table(prepared / "products.parquet")
        pairs = read_table(prepared / "pairs.parquet")
        blocks, unsure = (
            read_table(validated(PHOTOS) / f"{one}.parquet")
            for one in ("blocks", "blocks_unsure_pairs")
        )
        self.annotations = build_annotations(self.products, pairs)
        self.truth = build_complete_blocks(self.products, blocks, unsure)
        self.resamples = Resamples(self.annotations, settings.resamples, settings.seed)
        self.named = {*pairs["left"], *pairs["right"], *blocks["product_id"]}
        self.fold = folds(self.products["brand"], self.products["product_id"].isin(self.named))
        self.judged = np.union1d(self.annotations.indices, self.truth.indices)

    def tested(self, place: int) -> np.ndarray:
        """Positions of the judged products that are test in a fold: int (any,), increasing."""
        return self.judged[self.fold[self.judged] == place]

    def splits(self, place: int) -> np.ndarray:
        """The split of each product where the fold `place` is test: str (products,)."""
        later = np.where(self.fold == (place + 1) % FOLDS, "dev", "train")
        return np.where(self.fold == place, "test", later)

    def write_fold(self, place: int, folder: Path) -> Path:
        """Makes a folder like that of the stage prepare, with the split of a fold.

        Its arrays are links to those of the stage prepare.
        """
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("images.npy", "masks.npy", "pairs.parquet", "prepare.json"):
            link = folder / name
            link.unlink(missing_ok=True)
            link.symlink_to(self.prepared / name)
        write_table(folder / "products.parquet", self.products.assign(split=self.splits(place)))
        return folder

    def draws(self, embeddings: list[np.ndarray]) -> Draws:
        """Computes each metric of `COLUMNS`, and `COMPLETE_BLOCK_AP`, for each resample.

        Args:
            embeddings: of the products `tested` in each fold, relative to their block.
        """
        order = np.concatenate([self.tested(place) for place in range(FOLDS)])
        joined = np.concatenate(embeddings)[np.argsort(order)]  # in the order of `judged`
        own = Evaluation(
            joined[np.searchsorted(self.judged, self.annotations.indices)], self.resamples
        )
        complete = CompleteEvaluation(
            joined[np.searchsorted(self.judged, self.truth.indices)],
            self.truth,
            self.settings.resamples,
            self.settings.seed,
        )
        found = {column: own.draws(column, 0.0) for column in COLUMNS}
        return found | {COMPLETE_BLOCK_AP: complete.block_ap_draws()}


def intervals(draws: Draws) -> dict[str, Any]:
    """The value and interval of each metric of `WORDS`: {"value", "low", "high"}."""
    return {name: interval(draws[name]) for name in WORDS}


def gains(draws: Draws, others: Draws) -> dict[str, Any]:
    """What embeddings gain over others: as `intervals`, of the paired differences."""
    return intervals({name: draws[name] - others[name] for name in WORDS})


def metric_table(
    title: str,
    found: dict[str, dict[str, Any]],
    words: Callable[[dict[str, Any]], str] = interval_words,
) -> str:
    """A Markdown table of `intervals`, with a line for each name.

    Args:
        title: of the column of names.
        found: name → what `intervals` returned.
        words: how a metric is written.
    """
    lines = [
        f"| {name} | {' | '.join(words(own[metric]) for metric in WORDS)} |"
        for name, own in found.items()
    ]
    return table([title, *WORDS.values()], lines)


def default_folds(source: str) -> BrandFolds:
    """Returns the folds of a shop that is prepared with the params of this checkout."""
    params_file = ROOT / "params.yaml"
    settings = load_params("evaluate", EvaluateParams, params_file)
    return BrandFolds(prepare(source, params_file), settings)


def folds(brand: pd.Series, annotated: pd.Series | np.ndarray) -> np.ndarray:
    """Puts each brand into the fold with the fewest annotated products, the largest brands first.

    Args:
        brand: of each product.
        annotated: bool (products,).

    Returns:
        int (products,), the fold of each product.
    """
    weight = pd.Series(np.asarray(annotated)).groupby(brand.to_numpy()).sum()
    brands = sorted(weight.index)
    np.random.default_rng(SEED).shuffle(brands)
    load, place = np.zeros(FOLDS), {}
    for name in sorted(brands, key=lambda name: -weight[name]):
        place[name] = int(load.argmin())
        load[place[name]] += weight[name] + 0.01  # brands without annotations are spread too
    return brand.map(place).to_numpy(int)
