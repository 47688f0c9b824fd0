"""Measures a trained encoder and the naive baselines, for a row of docs/results.md."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.core.files import read_table
from ml.core.params import load_params
from ml.data.annotations import build_annotations
from ml.data.blocks import block_mates, block_numbers, relative_to_block
from ml.evaluate.baselines import BASELINES, gray_pictures
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import METRICS
from ml.evaluate.params import EvaluateParams
from ml.grouping.grouping import ClusteringName
from ml.model.embedding import embed_pictures
from ml.model.encoder import load_encoder

Embed = Callable[[np.ndarray], np.ndarray]


def judge(prepared: Path, model: Path, params_file: Path, splits: list[str]) -> dict[str, Any]:
    """Computes the metrics of the encoder and of the baselines, each at its threshold of dev.

    Args:
        prepared: folder of the stage prepare.
        model: folder of the stage train.
        params_file: params.yaml.
        splits: the splits to report; dev is reported in any case.

    Returns:
        {"figures": {split: {metric: {"value", "low", "high"}}},
        "gains": {baseline: {split: the interval of the difference in block AP}}, paired by
        resample,
        "baselines": {name: the same as "figures"},
        "block_ap_draws": {split: block AP of each resample, the sample itself first, in one line}}.
        The draws make paired differences to other rows possible.
    """
    params = load_params("evaluate", EvaluateParams, params_file)
    products, _, pictures = prepared_shop(prepared)
    encoder, block = load_encoder(model)[0], block_numbers(products)

    def embed(annotated: np.ndarray) -> np.ndarray:
        mates = block_mates(products, annotated)
        embeddings = relative_to_block(
            embed_pictures(encoder, pictures[mates]), block[mates], params.block_prior
        )
        return np.asarray(embeddings[np.searchsorted(mates, annotated)])

    ordered = ("dev", *(name for name in splits if name != "dev"))
    how = (ordered, params.grouping, params.resamples, params.seed)
    own = draws(prepared, embed, *how)
    baselines = {name: baseline_draws(prepared, name, *how) for name in BASELINES}
    return {
        "figures": intervals(own),
        "gains": {
            name: {
                split: interval(own[split]["block_ap"] - found[split]["block_ap"])
                for split in ordered
            }
            for name, found in baselines.items()
        },
        "baselines": {name: intervals(found) for name, found in baselines.items()},
        "block_ap_draws": {
            split: " ".join(f"{one:.4f}" for one in own[split]["block_ap"]) for split in ordered
        },
    }


def draws(
    prepared: Path,
    embed: Embed,
    splits: tuple[str, ...],
    grouping: ClusteringName,
    resamples: int,
    seed: int,
) -> dict[str, dict[str, np.ndarray]]:
    """Computes every metric for every resample; the first split chooses the threshold.

    Args:
        prepared: folder of the stage prepare.
        embed: from positions of products, int (n,), to embeddings, float (n, size), each of length
            1.
        grouping: how products become groups.

    Returns:
        {split: {metric: float (1 + resamples,)}}.
    """
    products, pairs, _ = prepared_shop(prepared)
    found: dict[str, dict[str, np.ndarray]] = {}
    threshold: float | None = None
    for split in splits:
        indices = np.flatnonzero(products["split"] == split)
        annotations = build_annotations(products.iloc[indices], pairs)
        embedded = embed(indices[annotations.indices])
        one = Evaluation(embedded, Resamples(annotations, resamples, seed), grouping)
        threshold = one.best_threshold if threshold is None else threshold
        found[split] = {name: one.draws(name, threshold) for name in METRICS}
    return found


@cache
def baseline_draws(prepared: Path, name: str, *how: Any) -> dict[str, dict[str, np.ndarray]]:
    """Computes `draws` of a naive baseline, once for all rows with the same crops."""
    pictures = prepared_shop(prepared)[2]
    return draws(prepared, lambda indices: BASELINES[name](pictures[indices]), *how)


def intervals(
    found: dict[str, dict[str, np.ndarray]],
) -> dict[str, dict[str, dict[str, float | None]]]:
    """Returns {"value", "low", "high"} of each metric of each split."""
    return {
        split: {name: interval(one) for name, one in metrics.items()}
        for split, metrics in found.items()
    }


def judge_elsewhere(
    prepared: Path, model: Path, params_file: Path
) -> dict[str, dict[str, float | None]]:
    """Computes block AP on another shop: of the model, of the model on gray pictures, of baselines.

    No product of the other shop was trained on, so products of all splits count.

    Returns:
        {"model", "model, gray pictures", and each baseline: {"value", "low", "high"}}.
    """
    params = load_params("evaluate", EvaluateParams, params_file)
    products, _, pictures = prepared_shop(prepared)
    encoder, block = load_encoder(model)[0], block_numbers(products)
    how = params.resamples, params.seed

    def block_ap(pictures: np.ndarray) -> dict[str, float | None]:
        embeddings = relative_to_block(embed_pictures(encoder, pictures), block, params.block_prior)
        return block_ap_of_all(prepared, embeddings, *how)

    return {
        "model": block_ap(pictures),
        "model, gray pictures": block_ap(gray_pictures(pictures)),
        **{name: baseline_elsewhere(prepared, name, *how) for name in BASELINES},
    }


@cache
def baseline_elsewhere(
    prepared: Path, name: str, resamples: int, seed: int
) -> dict[str, float | None]:
    """Computes `block_ap_of_all` of a naive baseline, once for all rows with the same crops."""
    return block_ap_of_all(prepared, BASELINES[name](prepared_shop(prepared)[2]), resamples, seed)


def block_ap_of_all(
    prepared: Path, embedded: np.ndarray, resamples: int, seed: int
) -> dict[str, float | None]:
    """Computes block AP over the annotated products of all splits.

    Args:
        embedded: float (products, size), each of length 1.
    """
    products, pairs, _ = prepared_shop(prepared)
    annotations = build_annotations(products, pairs)
    one = Evaluation(embedded[annotations.indices], Resamples(annotations, resamples, seed))
    return interval(one.draws("block_ap", 0.0))  # metrics of pairs need no threshold


def prepared_shop(prepared: Path) -> tuple[pd.DataFrame, pd.DataFrame, np.ndarray]:
    """Loads products, pairs and crops, uint8 (products, side, side, 3), of the stage prepare."""
    tables = [read_table(prepared / f"{name}.parquet") for name in ("products", "pairs")]
    return tables[0], tables[1], np.load(prepared / "images.npy", mmap_mode="r")
