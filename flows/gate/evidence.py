"""Gathers the gate's evidence: registered challenger and champion on the same test pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from flows.gate.serving_check import try_serving
from flows.local.project import Project
from flows.registry.comparisons import count_comparisons, note_comparison
from flows.registry.model_files import grouping_of
from flows.registry.remote_predict import embed_with
from flows.registry.tracking import connect
from flows.registry.versions import uri_of
from ml.core.files import read_json, read_table
from ml.core.paths import EVALUATED, PREPARED, SNAPSHOT
from ml.data.annotations import build_annotations, without_selected
from ml.data.blocks import block_mates
from ml.data.schema import BLOCK
from ml.evaluate.bootstrap import Resamples
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metrics import average_precision
from ml.evaluate.segments import segments
from ml.pages.html import product_card
from ml.promote.alpha_spending import sketch
from ml.promote.evidence import Evidence, Segment
from ml.promote.mistake_changes import Scores, mistake_changes, write_mistakes
from ml.promote.policy import GatePolicy, Policy


def gather_evidence(
    project: Project,
    policy: Policy,
    root: Path,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    pages: Path,
    log: Callable[[str], None],
) -> Evidence:
    """Measures two registered models on the test split of the challenger's own snapshot.

    It notes the comparison on the registered model of candidates, and serves the challenger if the
    policy asks for canary products.

    Args:
        root: the checkout with the challenger's snapshot and the stages' results.
        champion: None if there is no champion yet.
        pages: folder for mistakes.json, which is written if there is a champion.
        log: called with a line for each step.

    Raises:
        RuntimeError: a model failed.
    """
    metrics = read_json(root / EVALUATED / "metrics.json")
    known: dict[str, Any] = {"challenger": None, "champion": None, "baselines": {}}
    known["proves"] = metrics["split"]["proves"]
    if metrics["evaluable"]:
        pairs, client = _test_pairs(root, policy.gate), connect(project)
        first = policy.gate.metrics[0]
        known["baselines"] = {
            name: entry["test"][first]["value"] for name, entry in metrics["baselines"].items()
        }
        measured, scores = {}, {}
        for name, version in (("challenger", challenger), ("champion", champion)):
            if version is not None:
                log(f"{name} {uri_of(version)} embeds the test pairs of this snapshot")
                grouping = grouping_of(client, version)
                embeddings = embed_with(project, uri_of(version), pairs.products, log)
                measured[name] = Evaluation(
                    embeddings[pairs.annotated], pairs.resamples, grouping["method"]
                )
                scores[name] = Scores(measured[name].block_similarity, grouping["threshold"])
                known[name] = {
                    metric: measured[name].draws(metric, grouping["threshold"])
                    for metric in policy.gate.metrics
                }
        if champion is not None:
            known["favoured"] = _favoured(grouping_of(client, champion)["split_by"], metrics)
            known["fresh"] = challenger.tags.get("snapshot") != champion.tags.get("snapshot")
            note_comparison(client, challenger, champion, pairs.sketch)
            known["comparison"] = count_comparisons(
                client, challenger.name, pairs.sketch, policy.gate.same_pairs
            )
            known["segments"] = _segments(pairs, measured["challenger"], measured["champion"])
            block_pairs = pairs.resamples.annotations.block_pairs
            both = scores["champion"], scores["challenger"]
            changes = mistake_changes(block_pairs.label, *both)
            write_mistakes(changes, block_pairs, *both, pairs.card, pages)
    if policy.gate.serving.canaries:
        known["serving"] = try_serving(project, policy.gate.serving, root, challenger, log)
    return Evidence(
        dirty=challenger.tags.get("dirty") != "false",
        reason=metrics["reason"],
        challenger_model=uri_of(challenger),
        champion_model=uri_of(champion) if champion else None,
        **known,
    )


def _favoured(champion_by: str, metrics: dict[str, Any]) -> str:
    """Says why a comparison favours the champion; empty if both models were split alike."""
    by = metrics["split"]["by"]
    if champion_by == by:
        return ""
    return (
        f"The champion was trained with a split by {champion_by.replace('_', ' ')}, the challenger "
        f"by {by.replace('_', ' ')}: the champion may have trained on these test products, which "
        "favours it"
    )


class _TestPairs(NamedTuple):
    """The test pairs on which both models are measured.

    Attributes:
        products: all products of those blocks that hold annotated test products: brand, gender,
            article_type, and image (path).
        annotated: int (annotated products,), their positions in `products`.
        resamples: of the annotated products.
        parts: segment → bool (block pairs,), which of the block pairs are in it.
        sketch: identifies these pairs in later comparisons (see `ml.promote.alpha_spending`).
        card: returns the card of an annotated product, see `ml.pages.html.product_card`.
    """

    products: pd.DataFrame
    annotated: np.ndarray
    resamples: Resamples
    parts: dict[str, np.ndarray]
    sketch: str
    card: Callable[[int], dict[str, Any]]


def _test_pairs(root: Path, policy: GatePolicy) -> _TestPairs:
    products = read_table(root / PREPARED / "products.parquet")
    indices = np.flatnonzero(products["split"] == "test")
    test = products.iloc[indices].reset_index(drop=True)
    pairs = without_selected(read_table(root / PREPARED / "pairs.parquet"))
    annotations = build_annotations(test, pairs)
    here = indices[annotations.indices]
    mates = block_mates(products, here)  # of other splits, too, if not brands are split
    asked = products.iloc[mates].reset_index(drop=True)
    table = asked[BLOCK].assign(
        image=[str(root / SNAPSHOT / "images" / name) for name in asked["sha256"]]
    )
    judged = test.iloc[annotations.indices]
    images, masks = (
        np.load(root / PREPARED / f"{name}.npy", mmap_mode="r") for name in ("images", "masks")
    )
    block_pairs = annotations.block_pairs
    digest = judged["sha256"].to_numpy()
    return _TestPairs(
        products=table,
        annotated=np.searchsorted(mates, here),
        resamples=Resamples(annotations, policy.resamples, policy.seed),
        parts=dict(segments(judged, annotations, images[here], masks[here])),
        sketch=sketch(
            zip(
                digest[block_pairs.left],
                digest[block_pairs.right],
                block_pairs.label,
                strict=True,
            )
        ),
        card=lambda place: product_card(judged.iloc[place], images[here[place]]),
    )


def _segments(pairs: _TestPairs, challenger: Evaluation, champion: Evaluation) -> list[Segment]:
    """Measures both models on every segment that holds pairs of variants and of other designs."""
    label, found = pairs.resamples.annotations.block_pairs.label, []
    for name, chosen in pairs.parts.items():
        positives = int(label[chosen].sum())
        if 0 < positives < chosen.sum():
            both = [one.over_part(average_precision, chosen) for one in (challenger, champion)]
            found.append(Segment(name, positives, *both))
    return found
