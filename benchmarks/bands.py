"""`python -m benchmarks.bands` compares ways to publish groups at a wanted precision.

Ways differ in the base rate that scores are corrected for. Everything is chosen on four fifths of
the train and dev brands (calibration on annotated pairs, threshold, base rate, least score), and
judged on the complete blocks of the fifth that is left; test brands are not looked at. Embeddings
are untrained features, whitened and relative to their block, so that no brand was trained on.
"""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import typer
from scipy.special import logit

from benchmarks.checkout import commit
from benchmarks.markdown import table
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.core.progress import progress
from ml.data.annotations import build_annotations
from ml.data.blocks import block_numbers, fill_unknown, relative_to_block
from ml.evaluate.bands import choose_publish, group_scores, published
from ml.evaluate.base_rate import (
    ITERATIONS,
    BlockSimilarities,
    block_similarities,
    variants_by_em,
    variants_of,
)
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.evaluation import Evaluation
from ml.grouping.calibration import Calibration, expected_calibration_error
from ml.grouping.grouping import ClusteringName, Grouping
from ml.snapshot.shop import Shop, open_shop
from ml.untrained.predictor import untrained_predictor
from ml.validate.split import split_of

OUT = Path(__file__).with_suffix(".json")
WANTED = (0.95, 0.9, 0.8)
FOLDS, SEEDS = 5, 4
PRIOR, DIMENSIONS = 20, 512
CLUSTERING: ClusteringName = "complete"
SHOWN = ("group_precision", "designs_exact", "pair_precision", "pair_recall")
NO_GROUP = 10**6  # products of no published group are numbered from here

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Flat(Calibration):
    """A calibration whose base rate is that of `annotated`, in blocks of any size."""

    def probability(
        self, similarity: np.ndarray, products: np.ndarray | int | None = None
    ) -> np.ndarray:
        """Returns the probability without a look at the number of products."""
        return super().probability(similarity)

    def at(self, rate: float) -> "Flat":
        """Returns the calibration at another base rate of pairs."""
        moved = self.intercept + logit(rate) - logit(self.annotated)
        return Flat(self.slope, float(moved), rate)


@app.command()
def main(
    source: Annotated[
        Path, typer.Option(help="Folder of the shop with annotated pairs and blocks.csv.")
    ] = Path("../shared/data/myntra"),
    features: Annotated[
        Path | None,
        typer.Option(help="Features of an earlier run (.npz); missing: they are written there."),
    ] = None,
    out: Annotated[Path, typer.Option(help="The JSON file of the measurements.")] = OUT,
) -> None:
    """Measures every way by cross-validation over brands; prints a table, writes a JSON file."""
    shop = open_shop(str(source))
    if shop.pairs is None or shop.blocks is None or shop.unsure_pairs is None:
        raise UserError(
            f"the shop '{source}' needs pairs, blocks and blocks_unsure_pairs (docs/data-format.md)"
        )
    products, embeddings = embedded(shop, features)
    draws: dict[tuple[str, float], list[list[float]]] = {}
    with progress("bands", SEEDS, "divisions of the brands") as advance:
        for seed in range(SEEDS):
            for key, found in cross_validated(shop, products, embeddings, seed).items():
                draws.setdefault(key, []).append(found)
            advance()
    columns = [*SHOWN, "ece"]
    rows = [
        {"way": way, "wanted": wanted}
        | dict(zip(columns, np.mean(found, axis=0).tolist(), strict=True))
        for (way, wanted), found in draws.items()
    ]
    rows = [row for wanted in WANTED for row in rows if row["wanted"] == wanted]
    write_json(
        out,
        {"commit": commit("benchmarks/bands.json"), "folds": FOLDS, "seeds": SEEDS, "rows": rows},
    )
    lines = [
        f"| {row['wanted']} | {row['way']} | {' | '.join(f'{row[name]:.3f}' for name in columns)} |"
        for row in rows
    ]
    print(table(["wanted", "base rate", *columns], lines))


def embedded(shop: Shop, features: Path | None) -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the products of train and dev brands, and their embeddings.

    Whitening is fitted on the train brands. All products of a block count for its mean.
    """
    if features is None or not features.is_file():
        pictures = (shop.read_picture(image) for image in shop.catalog["image"])
        kinds = fill_unknown(shop.catalog)["article_type"]
        with progress("embed", len(kinds), "pictures") as advance:
            found = untrained_predictor().embed(pictures, kinds, advance)
        names, raw, readable = shop.catalog["product_id"], found.embeddings, found.readable
        if features is not None:
            np.savez(features, product_id=names.to_numpy(str), embeddings=raw, readable=readable)
    else:
        stored = np.load(features)
        names, raw, readable = (stored[one] for one in ("product_id", "embeddings", "readable"))
    catalog = fill_unknown(shop.catalog).set_index("product_id")
    products = catalog.loc[np.asarray(names)[readable]].reset_index()
    split, raw = products["brand"].map(split_of), raw[readable]
    train = raw[split == "train"]
    moved = raw - train.mean(axis=0)
    variance, axes = np.linalg.eigh(np.cov(train.T))
    white = moved @ axes[:, -DIMENSIONS:] * variance[-DIMENSIONS:] ** -0.5
    white /= np.linalg.norm(white, axis=1, keepdims=True)
    relative = relative_to_block(white, block_numbers(products), PRIOR)
    chosen = (split != "test").to_numpy()
    return products[chosen].reset_index(drop=True), relative[chosen]


def cross_validated(
    shop: Shop, products: pd.DataFrame, embeddings: np.ndarray, seed: int
) -> dict[tuple[str, float], list[float]]:
    """Divides the brands into folds, and judges every way on the complete blocks of each.

    Returns:
        (way, wanted precision) → the metrics `SHOWN` and the expected calibration error.
    """
    brands = np.sort(products["brand"].unique())
    number = np.random.default_rng(seed).permutation(np.arange(len(brands)) % FOLDS)
    fold = products["brand"].map(dict(zip(brands, number, strict=True))).to_numpy()
    truth = complete(shop, products)
    block = block_numbers(products)
    group: dict[tuple[str, float], np.ndarray] = {}
    probability: dict[str, np.ndarray] = {}
    of_pair = fold[truth.indices][truth.pairs.left]
    own = embeddings[truth.indices]
    similarity = np.einsum("nd,nd->n", own[truth.pairs.left], own[truth.pairs.right])
    for left_out in range(FOLDS):
        inner = fold != left_out
        threshold, calibrations, catalogue = chosen_on(shop, products[inner], embeddings[inner])
        found = Grouping(embeddings, block, CLUSTERING).cut(threshold)
        outer, judged = of_pair == left_out, fold[truth.indices] == left_out
        for way, calibration in calibrations.items():
            foreseen = calibration.probability(similarity, truth.block_size)
            probability.setdefault(way, np.zeros(len(similarity)))[outer] = foreseen[outer]
            score, pairs = group_scores(embeddings, block, found, calibration)
            known = np.unique(found[inner])
            for wanted in WANTED:
                chosen = choose_publish(score[known], pairs[known], wanted, calibration, catalogue)
                kept = published(found, score, chosen.score)[truth.indices]
                alone = NO_GROUP + np.arange(len(kept))
                group.setdefault((way, wanted), alone)[judged] = kept[judged]
    one = np.ones((1, len(truth.pairs)))
    judge = CompleteEvaluation(own, truth, resamples=1, seed=0)
    metrics = {}
    for (way, wanted), numbers in group.items():
        drawn = judge.group_draws(np.unique(numbers, return_inverse=True)[1])
        ece = expected_calibration_error(probability[way], truth.pairs.label, one)
        metrics[way, wanted] = [*(float(drawn[name][0]) for name in SHOWN), float(ece[0])]
    return metrics


def chosen_on(
    shop: Shop, products: pd.DataFrame, embeddings: np.ndarray
) -> tuple[float, dict[str, Any], BlockSimilarities]:
    """Chooses on some brands: the threshold, a calibration for each way, and all their pairs."""
    assert shop.pairs is not None
    annotations = build_annotations(products, shop.pairs)
    one = Evaluation(embeddings[annotations.indices], Resamples(annotations, 1, 0), CLUSTERING)
    catalogue = block_similarities(embeddings, block_numbers(products))
    truth, fitted = complete(shop, products), one.calibration
    flat, rate = Flat(*fitted), fitted.annotated
    for _ in range(ITERATIONS):
        foreseen = flat.at(rate).probability(catalogue.similarity) * catalogue.pairs
        rate = float(foreseen.sum() / catalogue.pairs.sum())
    ways = {
        "of annotated pairs": flat,
        "of all pairs, EM": flat.at(rate),
        "of all pairs, complete blocks": flat.at(float(truth.pairs.label.mean())),
        "by size of block, EM": fitted._replace(variants=variants_by_em(fitted, catalogue)),
        "by size of block, complete blocks": fitted._replace(variants=variants_of([truth]) or 1.0),
    }
    return one.best_threshold, ways, catalogue


def complete(shop: Shop, products: pd.DataFrame) -> CompleteBlocks:
    """Returns the complete blocks among these products."""
    assert shop.blocks is not None
    assert shop.unsure_pairs is not None
    return build_complete_blocks(products, shop.blocks, shop.unsure_pairs)


if __name__ == "__main__":
    run_app(app)
