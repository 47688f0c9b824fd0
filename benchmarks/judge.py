"""Measures a row and the naive baselines, for docs/results.md."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.embedded_row import EmbeddedRow
from ml.core.files import read_table
from ml.core.params import load_params
from ml.data.annotations import build_annotations
from ml.evaluate.baselines import BASELINES
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import METRICS
from ml.evaluate.params import EvaluateParams
from ml.grouping.grouping import ClusteringName

Embed = Callable[[np.ndarray], np.ndarray]
PAIRED = ("block_ap", "mean_ap")  # metrics whose differences between rows are told
GRAY = "model, gray pictures"


def judge(
    prepared: Path, row: EmbeddedRow, params_file: Path, splits: tuple[str, ...] = ("dev", "test")
) -> dict[str, Any]:
    """Computes the metrics of a row and of the baselines, each at its threshold of dev.

    Args:
        prepared: folder of the stage prepare.
        row: what the row keeps of a training on it.
        params_file: params.yaml.
        splits: the splits to report; the first one chooses the threshold.

    Returns:
        {"figures": {split: {metric: {"value", "low", "high"}}},
        "gains": {baseline: {split: {metric of `PAIRED`: the interval of the difference}}}, paired
        by resample,
        "baselines": {name: the same as "figures"},
        "draws": {split: {metric of `PAIRED`: its value of each resample, the sample itself first,
        in one line}}}. The draws make paired differences to other rows possible.
    """
    params = load_params("evaluate", EvaluateParams, params_file)
    ids = prepared_shop(prepared)[0]["product_id"].to_numpy(str)
    how = (splits, params.grouping, params.resamples, params.seed)
    own = draws(prepared, lambda indices: row.embeddings("photos", ids[indices]), *how)
    baselines = {name: baseline_draws(prepared, name, *how) for name in BASELINES}
    return {
        "figures": intervals(own),
        "gains": {
            name: {
                split: {one: interval(own[split][one] - found[split][one]) for one in PAIRED}
                for split in splits
            }
            for name, found in baselines.items()
        },
        "baselines": {name: intervals(found) for name, found in baselines.items()},
        "draws": {
            split: {one: " ".join(f"{x:.4f}" for x in own[split][one]) for one in PAIRED}
            for split in splits
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
    prepared: Path, name: str, row: EmbeddedRow, params_file: Path
) -> dict[str, dict[str, float | None]]:
    """Computes block AP on another shop: of the model, of the model on gray pictures, of baselines.

    No product of the other shop was trained on, so products of all splits count.

    Args:
        prepared: folder of the stage prepare of the other shop.
        name: its name in the row.
        row: what the row keeps.
        params_file: params.yaml.

    Returns:
        {"model", "model, gray pictures", and each baseline: {"value", "low", "high"}}.
    """
    params = load_params("evaluate", EvaluateParams, params_file)
    ids = prepared_shop(prepared)[0]["product_id"].to_numpy(str)
    how = params.resamples, params.seed
    return {
        "model": block_ap_of_all(prepared, row.embeddings(name, ids), *how),
        GRAY: block_ap_of_all(prepared, row.embeddings(f"{name}, gray pictures", ids), *how),
        **{other: baseline_elsewhere(prepared, other, *how) for other in BASELINES},
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
