"""Stage evaluate: measures the model and the naive baselines on annotated pairs."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.core.device import exact
from ml.core.files import read_json, read_table, replacing, write_json
from ml.core.params import load_params
from ml.core.paths import EMBEDDED, EVALUATED, PARAMS, PREPARED, TRAINED, VALIDATED
from ml.core.progress import progress
from ml.data.annotations import Annotations, build_annotations, without_selected
from ml.data.blocks import block_numbers, relative_to_block
from ml.evaluate.bands import choose_publish, group_scores
from ml.evaluate.base_rate import block_similarities, variants_by_em, variants_of
from ml.evaluate.baselines import BASELINES, embed_baselines
from ml.evaluate.bootstrap import Resamples, interval
from ml.evaluate.complete_blocks import CompleteBlocks, build_complete_blocks
from ml.evaluate.complete_evaluation import complete_metrics
from ml.evaluate.corrected import on_corrections
from ml.evaluate.error_analysis import analyse_errors
from ml.evaluate.evaluation import Evaluation, similarities
from ml.evaluate.metric_words import Interval
from ml.evaluate.metrics import average_precision
from ml.evaluate.mistake_kinds import mistake_kinds
from ml.evaluate.params import EvaluateParams
from ml.evaluate.report import write_report
from ml.evaluate.segments import segments
from ml.grouping.calibration import Calibration
from ml.grouping.grouping import Grouping
from ml.pages.contact_sheet import draw_sheet

CURVE_POINTS = 200  # of each precision-recall curve, for plotting
SPLITS = ("train", "dev", "test")
COMPLETE_TABLES = ("blocks", "blocks_unsure_pairs")
WHITENED_WITH_ALL = "; the whitening was fitted on their pictures too: on new ones expect less"
NO_CURVE = pd.DataFrame({"embedding": [], "recall": [], "precision": []})


@dataclass(frozen=True)
class Split:
    """The products of one split.

    Attributes:
        indices: int (products of the split,), their positions in the products table.
        annotations: of these products.
        complete: complete blocks of these products.
        params: of the evaluation.
    """

    indices: np.ndarray
    annotations: Annotations
    complete: CompleteBlocks
    params: EvaluateParams

    @property
    def annotated(self) -> np.ndarray:
        """Positions of the annotated products in the products table: int (annotated products,)."""
        return self.indices[self.annotations.indices]

    @cached_property
    def resamples(self) -> Resamples:
        """Bootstrap resamples, which the model and all baselines share."""
        return Resamples(self.annotations, self.params.resamples, self.params.seed)

    def evaluation(self, embeddings: np.ndarray) -> Evaluation:
        """Measures embeddings of the annotated products: float (annotated products, size)."""
        return Evaluation(embeddings, self.resamples, self.params.grouping)


def main(
    prepared: Path = PREPARED,
    embedded: Path = EMBEDDED,
    model: Path = TRAINED,
    params_file: Path = PARAMS,
    validated: Path = VALIDATED,
    out: Path = EVALUATED,
) -> None:
    """Chooses thresholds on the dev split and reports metrics on the test split.

    Writes metrics.json, summary.json, grouping.json, precision_recall.csv, report.html and contact
    sheets.
    """
    params = load_params("evaluate", EvaluateParams, params_file)
    facts = read_json(model / "encoder.json")
    exact(facts["threads"])
    products, pairs = (read_table(prepared / f"{name}.parquet") for name in ("products", "pairs"))
    blocks = [read_table(validated / f"{name}.parquet") for name in COMPLETE_TABLES]
    pictures = np.load(prepared / "images.npy", mmap_mode="r")
    embeddings = relative_to_block(
        np.load(embedded / "embeddings.npy"), block_numbers(products), params.block_prior
    )
    splits, fair = {}, without_selected(pairs)
    for name in SPLITS:
        indices = np.flatnonzero(products["split"] == name)
        own = products.iloc[indices]
        annotations, complete = build_annotations(own, fair), build_complete_blocks(own, *blocks)
        splits[name] = Split(indices, annotations, complete, params)
    dev, test = splits["dev"], splits["test"]
    reason = why_not({"dev": dev.annotations, "test": test.annotations})
    metrics: dict[str, Any] = {
        "evaluable": reason is None,
        "reason": reason,
        "split": what_it_proves(read_json(validated / "split.json"), facts),
        "grouping": params.grouping,
        "model": {"threshold": params.default_threshold, "calibration": None, "publish": None},
        "baselines": {},
    }
    curves: list[pd.DataFrame] = []
    similarity: np.ndarray | None = None
    parts: list[tuple[str, int, Interval]] = []
    if reason is None:
        for name, on_dev, on_test in evaluations(dev, test, embeddings, pictures):
            entry = measure(on_dev, on_test)
            if name == "model":
                metrics["model"], similarity = entry, on_test.block_similarity
                masks = np.load(prepared / "masks.npy", mmap_mode="r")
                shown = products.iloc[test.annotated], pictures[test.annotated]
                parts = on_segments(on_test, *shown, masks[test.annotated])
                metrics["mistake_kinds"] = mistake_kinds(
                    test.annotations,
                    shown[1],
                    masks[test.annotated],
                    similarity,
                    entry["threshold"],
                )
            else:
                metrics["baselines"][name] = entry
            curves.append(curve(name, on_test))
    else:
        print(f"warning: {reason}", flush=True)
        if dev.annotations.complete:
            on_dev = dev.evaluation(embeddings[dev.annotated])
            metrics["model"] = chosen_on_dev(on_dev)
    if similarity is None:
        similarity = similarities(embeddings[test.annotated], test.annotations.block_pairs)
    metrics["model"] |= banded(splits, products, embeddings, metrics["model"])
    if any(splits[name].complete.measurable for name in ("dev", "test")):
        metrics["complete_blocks"] = on_complete_blocks(splits, embeddings, pictures, metrics)
    metrics |= on_corrections(products, pairs, embeddings, metrics["model"]["threshold"])
    write_json(out / "metrics.json", metrics)
    write_json(out / "summary.json", summary_of(metrics))
    write_json(out / "grouping.json", grouping_of(metrics, params))
    table = pd.concat(curves) if curves else NO_CURVE
    with replacing(out / "precision_recall.csv") as beside:
        table.to_csv(beside, index=False, float_format="%.6f", lineterminator="\n")
    with replacing(out / "sheets/boxes.png") as beside:
        shutil.copy(prepared / "boxes.png", beside)
    history = pd.read_csv(model / "history.csv")
    shown = products.iloc[test.indices], pictures[test.indices]
    embedded_test = embeddings[test.indices]
    show(*shown, embedded_test, test.annotations, similarity, metrics, table, parts, history, out)


def what_it_proves(split: dict[str, Any], facts: dict[str, Any]) -> dict[str, Any]:
    """Says what metrics hold for, also where the whitening has seen the pictures of all splits.

    Args:
        split: split.json of the stage validate.
        facts: encoder.json of the stage train.
    """
    seen = facts.get("whitened_on") == "all"
    return split | ({"proves": split["proves"] + WHITENED_WITH_ALL} if seen else {})


def evaluations(
    dev: Split, test: Split, embeddings: np.ndarray, pictures: np.ndarray
) -> Iterator[tuple[str, Evaluation, Evaluation]]:
    """Evaluates the model and each baseline.

    Args:
        dev, test: the two splits.
        embeddings: float (products, size), those of the model, for the whole products table.
        pictures: uint8 (products, height, width, 3), the crops of the whole products table.

    Yields:
        "model" or the name of the baseline, its evaluation on dev, and its evaluation on test.
    """
    with progress("evaluate", 1 + len(BASELINES), "embeddings") as advance:
        own = [one.evaluation(embeddings[one.annotated]) for one in (dev, test)]
        yield "model", own[0], own[1]
        advance()
        beside = (embed_baselines(pictures[one.annotated]) for one in (dev, test))
        for (name, on_dev), (_, on_test) in zip(*beside, strict=True):
            yield name, dev.evaluation(on_dev), test.evaluation(on_test)
            advance()


def chosen_on_dev(on_dev: Evaluation) -> dict[str, Any]:
    """Chooses threshold and calibration on dev.

    Returns:
        {"threshold" (1 − cosine), "calibration": see `ml.grouping.calibration.Calibration`}.
    """
    calibration = on_dev.calibration._asdict()
    return {"threshold": on_dev.best_threshold, "calibration": calibration}


def measure(on_dev: Evaluation, on_test: Evaluation) -> dict[str, Any]:
    """Chooses threshold and calibration on dev, and measures both splits with them.

    Returns:
        {"threshold", "calibration", "test": {metric: {"value", "low", "high"}}, "dev": the same}.
    """
    entry = chosen_on_dev(on_dev)
    for name, one in (("test", on_test), ("dev", on_dev)):
        entry[name] = one.metrics(on_dev.best_threshold)
        entry[name]["ece"] = one.calibration_error(on_dev.calibration)
    return entry


def banded(
    splits: dict[str, Split], products: pd.DataFrame, embeddings: np.ndarray, model: dict[str, Any]
) -> dict[str, Any]:
    """Corrects the calibration for the base rate, and chooses which groups are published.

    Both happen on all products of the dev split, without their labels, but for the number of
    variants of a product, which is counted in complete blocks of dev and train if there are some.

    Args:
        splits: name → split.
        products: the products table.
        embeddings: float (products, size), those of the model, for the whole products table.
        model: its "threshold" and "calibration".

    Returns:
        {"calibration", "publish": see `ml.evaluate.bands.Publish`}; None each without a
        calibration.
    """
    if not model["calibration"]:
        return {"calibration": None, "publish": None}
    dev, own = splits["dev"], embeddings[splits["dev"].indices]
    calibration, params = Calibration(**model["calibration"]), dev.params
    block = block_numbers(products.iloc[dev.indices])
    catalogue = block_similarities(own, block)
    variants = (
        (variants_of([dev.complete, splits["train"].complete]))
        or variants_by_em(calibration, catalogue)
        if params.base_rate == "auto"
        else params.base_rate
    )
    calibration = calibration._replace(variants=variants)
    group = Grouping(own, block, params.grouping).cut(model["threshold"])
    scores = group_scores(own, block, group, calibration)
    chosen = choose_publish(*scores, params.precision, calibration, catalogue)
    if chosen.score is None:
        print(
            f"warning: no group of the dev split is expected to reach a precision of "
            f"{params.precision:.2f} (evaluate.precision): none is published, all are to be "
            "reviewed",
            flush=True,
        )
    else:
        print(
            f"for a precision of {params.precision:.2f}, groups with a score of at least "
            f"{chosen.score:.2f} are published: {chosen.groups} of {chosen.of} groups of the dev "
            f"split, which should hold {chosen.recall:.0%} of its pairs of variants",
            flush=True,
        )
    return {"calibration": calibration._asdict(), "publish": chosen._asdict()}


def on_complete_blocks(
    splits: dict[str, Split],
    embeddings: np.ndarray,
    pictures: np.ndarray,
    metrics: dict[str, Any],
) -> dict[str, Any]:
    """Measures the complete blocks of each split that has pairs of both kinds.

    Args:
        splits: name → split; train is not measured.
        embeddings: float (products, size), those of the model, for the whole products table.
        pictures: uint8 (products, height, width, 3), the crops of the whole products table.
        metrics: the content of metrics.json so far; each embedding has its own threshold in it.

    Returns:
        Split → {"blocks", "products", "pairs", "variants" (numbers), "metrics": {metric: {"value",
        "low", "high"}}, "baselines": {name: the same metrics, without those of scores}}.
    """
    model, beside, found = metrics["model"], metrics["baselines"], {}
    calibration = Calibration(**model["calibration"]) if model["calibration"] else None
    publish = model["publish"] and model["publish"]["score"]
    for name in ("dev", "test"):
        one = splits[name]
        if one.complete.measurable:
            shown = one.indices[one.complete.indices]
            truth, params = one.complete, one.params
            how = params.grouping
            own = complete_metrics(
                embeddings[shown], truth, how, model["threshold"], params, calibration, publish
            )
            baselines = {
                baseline: complete_metrics(
                    found_there, truth, how, beside[baseline]["threshold"], params
                )
                for baseline, found_there in embed_baselines(pictures[shown], beside)
            }
            found[name] = one.complete.facts() | {"metrics": own, "baselines": baselines}
    return found


def on_segments(
    on_test: Evaluation, products: pd.DataFrame, pictures: np.ndarray, masks: np.ndarray
) -> list[tuple[str, int, Interval]]:
    """Measures block AP on every segment that holds pairs of variants and of other designs.

    Args:
        on_test: the evaluation on the test split.
        products, pictures, masks: of its annotated products, see `ml.evaluate.segments.segments`.

    Returns:
        Name, number of pairs of variants and block AP of each segment.
    """
    label, found = on_test.annotations.block_pairs.label, []
    for name, chosen in segments(products, on_test.annotations, pictures, masks):
        positives = int(label[chosen].sum())
        if 0 < positives < chosen.sum():
            draws = on_test.over_part(average_precision, chosen)
            found.append((name, positives, interval(draws)))
    return found


def summary_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of summary.json, which `dvc metrics diff` compares.

    Args:
        metrics: the content of metrics.json.

    Returns:
        "threshold", and the value of each metric of the model on "test" and on "dev".
    """
    model = metrics["model"]
    return {"threshold": model["threshold"]} | {
        split: {name: one["value"] for name, one in model[split].items()}
        for split in ("test", "dev")
        if split in model
    }


def grouping_of(metrics: dict[str, Any], params: EvaluateParams) -> dict[str, Any]:
    """Returns the content of grouping.json: what a model needs to group products.

    Args:
        metrics: the content of metrics.json.
        params: of the evaluation.
    """
    return {
        "method": params.grouping,
        "threshold": metrics["model"]["threshold"],
        "block_prior": params.block_prior,
        "calibration": metrics["model"]["calibration"],
        "publish": metrics["model"]["publish"] and metrics["model"]["publish"]["score"],
        "baselines": {name: entry["threshold"] for name, entry in metrics["baselines"].items()},
        "split_by": metrics["split"]["by"],
    }


def curve(name: str, evaluation: Evaluation) -> pd.DataFrame:
    """Returns the precision-recall curve of block pairs, with at most `CURVE_POINTS` points.

    Returns:
        Columns embedding (the given name), recall, precision.
    """
    precision, recall = evaluation.precision_recall()
    places = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(int))
    return pd.DataFrame(
        {"embedding": name, "recall": recall[places], "precision": precision[places]}
    )


def show(
    products: pd.DataFrame,
    pictures: np.ndarray,
    embeddings: np.ndarray,
    annotations: Annotations,
    similarity: np.ndarray,
    metrics: dict[str, Any],
    curves: pd.DataFrame,
    parts: list[tuple[str, int, Interval]],
    history: pd.DataFrame,
    out: Path,
) -> None:
    """Writes report.html and the contact sheets of the test split.

    Args:
        products: the test split.
        pictures: uint8 (products, height, width, 3), the crops of these products.
        embeddings: float (products, size), each of length 1.
        annotations: of these products.
        similarity: float (block pairs,), cosine similarity by the model.
        metrics: the content of metrics.json.
        curves: columns embedding, recall, precision.
        parts: what `on_segments` returns.
        history: the content of history.csv.
        out: folder of the results; its sheets/boxes.png exists.
    """
    threshold, clustering = metrics["model"]["threshold"], metrics["grouping"]
    errors = analyse_errors(products, embeddings, threshold, clustering, annotations, similarity)
    sheets = {
        "groups": [indices.tolist() for indices in errors.groups],
        "false_positives": [[one.left, one.right] for one in errors.false_positives],
        "false_negatives": [[one.left, one.right] for one in errors.false_negatives],
    }
    for name, bundles in sheets.items():
        draw_sheet(out / f"sheets/{name}.png", bundles, pictures)
    boxes = out / "sheets/boxes.png"
    write_report(
        out / "report.html",
        metrics,
        curves,
        products,
        pictures,
        annotations,
        similarity,
        errors,
        boxes,
        parts,
        history,
    )


def why_not(annotations: dict[str, Annotations]) -> str | None:
    """Returns why the model cannot be evaluated; None if it can be.

    The dev and the test split each need pairs of variants and pairs of other designs.

    Args:
        annotations: split → its annotations.
    """
    poor = [name for name, facts in annotations.items() if not facts.complete]
    if not poor:
        return None
    return (
        f"the model cannot be evaluated, and so not promoted: the {' and the '.join(poor)} split "
        f"need{'s' if len(poor) == 1 else ''} annotated pairs of both kinds, variants and other "
        "designs of one block; add pairs.csv to the shop, or more pairs to it"
    )
