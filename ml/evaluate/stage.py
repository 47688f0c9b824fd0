"""Stage evaluate: the model against annotated pairs, beside its naive baselines."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.metrics import precision_recall_curve

from ml.core.device import exact
from ml.core.files import read_json, read_table, replacing, write_json
from ml.core.params import Params, load_params
from ml.core.paths import EMBEDDED, EVALUATED, PARAMS, PREPARED, TRAINED
from ml.core.progress import progress
from ml.data.annotations import Annotations, build_annotations
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.baselines import BASELINES
from ml.evaluate.bootstrap import interval, resample
from ml.evaluate.error_analysis import Mistake, find
from ml.evaluate.evaluation import over_resamples, resampled_figures, similarities, with_intervals
from ml.evaluate.report import write_report
from ml.evaluate.threshold import choose_threshold
from ml.grouping.calibration import Calibration, expected_calibration_error, fit_calibration
from ml.grouping.grouping import ClusteringName
from ml.pages.contact_sheet import draw_sheet

CURVE_POINTS = 200  # of each precision-recall curve, for plotting


class EvaluateParams(Params):
    """The params under `evaluate` in params.yaml."""

    resamples: int = Field(gt=0, description="bootstrap resamples behind every interval")
    seed: int = Field(description="of the resamples")
    grouping: ClusteringName = Field(
        description="how products of a block become groups, see `ml.grouping.grouping`"
    )
    block_prior: float = Field(
        ge=0, description="products of no particular look that each block's mean is shrunk with"
    )
    default_threshold: float = Field(
        gt=0, le=2, description="1 − cosine, where no dev pairs are there to choose by"
    )


def main(
    prepared: Path = PREPARED,
    embedded: Path = EMBEDDED,
    model: Path = TRAINED,
    params_file: Path = PARAMS,
    out: Path = EVALUATED,
) -> None:
    """Chooses thresholds on the dev split, reports figures on the test split; writes metrics.json, plots and report.html."""
    params = load_params("evaluate", EvaluateParams, params_file)
    exact(read_json(model / "encoder.json")["threads"])
    products, pairs = (
        read_table(prepared / "products.parquet"),
        read_table(prepared / "pairs.parquet"),
    )
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    rows = relative_to_block(
        np.load(embedded / "embeddings.npy"), block_numbers(products), params.block_prior
    )
    split = {name: np.flatnonzero(products["split"] == name) for name in ("dev", "test")}
    annotations = {
        name: build_annotations(products.iloc[rows_of], pairs) for name, rows_of in split.items()
    }
    lacking = why_not(annotations)
    metrics: dict[str, Any] = {"evaluable": lacking is None, "reason": lacking}
    metrics |= {"grouping": params.grouping, "threshold": params.default_threshold}
    curves = []
    if lacking is None:
        with progress("evaluate", 1 + len(BASELINES), "embeddings") as advance:
            for name in ("model", *BASELINES):
                found = {}
                for part, facts in annotations.items():
                    chosen = split[part][facts.indices]
                    found[part] = (
                        rows[chosen] if name == "model" else BASELINES[name](pictures[chosen])
                    )
                entry = judge(found, annotations, params)
                target = (
                    metrics
                    if name == "model"
                    else metrics.setdefault("baselines", {}).setdefault(name, {})
                )
                target.update(entry)
                curves.append(curve(name, found["test"], annotations["test"]))
                advance()
    else:
        print(f"warning: {lacking}", flush=True)
        if annotations["dev"].complete:
            dev = rows[split["dev"][annotations["dev"].indices]]
            metrics["threshold"] = choose_threshold(dev, annotations["dev"], params.grouping)
            metrics["calibration"] = calibrate(dev, annotations["dev"])._asdict()
    write_json(out / "metrics.json", metrics)
    thresholds = {name: entry["threshold"] for name, entry in metrics.get("baselines", {}).items()}
    write_json(
        out / "grouping.json",
        {
            "method": params.grouping,
            "threshold": metrics["threshold"],
            "block_prior": params.block_prior,
            "calibration": metrics.get("calibration"),
            "baselines": thresholds,
        },
    )
    table = (
        pd.concat(curves)
        if curves
        else pd.DataFrame({"embedding": [], "recall": [], "precision": []})
    )
    with replacing(out / "precision_recall.csv") as beside:
        table.to_csv(beside, index=False, float_format="%.6f", lineterminator="\n")
    with replacing(out / "sheets/boxes.png") as beside:
        shutil.copy(prepared / "boxes.png", beside)
    show(
        products.iloc[split["test"]],
        pictures[split["test"]],
        rows[split["test"]],
        annotations["test"],
        metrics,
        table,
        out,
    )


def show(
    products: pd.DataFrame,
    pictures: np.ndarray,
    embeddings: np.ndarray,
    annotations: Annotations,
    metrics: dict[str, Any],
    curves: pd.DataFrame,
    out: Path,
) -> None:
    """Writes report.html and the contact sheets of the test split."""
    findings = find(products, embeddings, metrics["threshold"], metrics["grouping"], annotations)
    draw_sheet(out / "sheets/groups.png", [rows.tolist() for rows in findings.groups], pictures)
    for name in ("false_positives", "false_negatives"):
        mistakes: list[Mistake] = getattr(findings, name)
        draw_sheet(
            out / f"sheets/{name}.png", [[one.left, one.right] for one in mistakes], pictures
        )
    boxes = out / "sheets/boxes.png"
    write_report(
        out / "report.html",
        metrics,
        curves,
        products,
        pictures,
        embeddings,
        annotations,
        findings,
        boxes,
    )


def why_not(annotations: dict[str, Annotations]) -> str | None:
    """Why the model cannot be evaluated, or None if it can: dev and test each need variants and non-variants."""
    poor = [name for name, facts in annotations.items() if not facts.complete]
    if not poor:
        return None
    return (
        f"the model cannot be evaluated, and so not promoted: the {' and the '.join(poor)} split "
        f"lack{'s' if len(poor) == 1 else ''} annotated pairs, of variants and of other designs in one block; "
        "add pairs.csv to the shop, or pairs of more brands"
    )


def judge(
    embeddings: dict[str, np.ndarray], annotations: dict[str, Annotations], params: EvaluateParams
) -> dict[str, Any]:
    """Threshold and calibration from the dev split, then every figure with its interval on both splits.

    Args:
        embeddings: for "dev" and "test", float (annotated products, size) in the order of the
            truth's rows.
    """
    threshold = choose_threshold(embeddings["dev"], annotations["dev"], params.grouping)
    calibration = calibrate(embeddings["dev"], annotations["dev"])
    entry: dict[str, Any] = {"threshold": threshold, "calibration": calibration._asdict()}
    for part in ("test", "dev"):
        entry[part] = figures_of(
            embeddings[part], annotations[part], threshold, params.grouping, params
        )
        entry[part]["ece"] = calibration_error(
            embeddings[part], annotations[part], calibration, params
        )
    return entry


def calibrate(embeddings: np.ndarray, annotations: Annotations) -> Calibration:
    """Similarity to probability, by the block pairs."""
    return fit_calibration(
        similarities(embeddings, annotations.block_pairs), annotations.block_pairs.label
    )


def calibration_error(
    embeddings: np.ndarray,
    annotations: Annotations,
    calibration: Calibration,
    params: EvaluateParams,
) -> dict[str, float | None]:
    """Expected calibration error over block pairs: {"value", "low", "high"}."""
    pairs = annotations.block_pairs
    weight = resample(int(annotations.design.max()) + 1, params.resamples, params.seed)
    probability = calibration.probability(similarities(embeddings, pairs))

    def error(weights: np.ndarray) -> np.ndarray:
        return expected_calibration_error(probability, pairs.label, weights)

    return interval(over_resamples(error, pairs, annotations.design, weight))


def figures_of(
    embeddings: np.ndarray,
    annotations: Annotations,
    threshold: float,
    clustering: ClusteringName,
    params: EvaluateParams,
) -> dict[str, dict[str, float | None]]:
    """Every figure with its interval: {"block_ap": {"value", "low", "high"}, …}.

    Args:
        threshold, clustering: the model's own, which a registered one keeps whatever the params of
            today say.
    """
    weight = resample(int(annotations.design.max()) + 1, params.resamples, params.seed)
    return with_intervals(resampled_figures(embeddings, annotations, threshold, weight, clustering))


def curve(name: str, embeddings: np.ndarray, annotations: Annotations) -> pd.DataFrame:
    """Precision against recall over block pairs, thinned out for plotting."""
    label, score = annotations.block_pairs.label, similarities(embeddings, annotations.block_pairs)
    precision, recall, _ = precision_recall_curve(label, score)
    places = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(int))
    return pd.DataFrame(
        {"embedding": name, "recall": recall[places], "precision": precision[places]}
    )
