"""Gathers the gate's evidence: registered challenger and champion on the same test pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mlflow.entities.model_registry import ModelVersion

from flows.gate.judged_pairs import JudgedPairs, load_judged_pairs
from flows.gate.serving_check import try_serving
from flows.local.project import Project
from flows.registry.comparisons import count_comparisons, note_comparison
from flows.registry.model_files import grouping_of
from flows.registry.remote_predict import embed_with
from flows.registry.tracking import connect
from flows.registry.versions import uri_of
from ml.core.files import read_json
from ml.core.paths import EVALUATED
from ml.evaluate.complete_evaluation import CompleteEvaluation
from ml.evaluate.evaluation import Evaluation
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.evaluate.metrics import average_precision
from ml.grouping.grouping import ClusteringName
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
        pairs, client = load_judged_pairs(root, policy.gate), connect(project)
        first = policy.gate.metrics[0]
        known["baselines"] = {
            name: entry["test"][first]["value"] for name, entry in metrics["baselines"].items()
        }
        enough = pairs.blocks >= policy.gate.segments.blocks
        if COMPLETE_BLOCK_AP in policy.gate.metrics and not enough:
            log(
                f"{COMPLETE_BLOCK_AP} decides nothing: the test split has {pairs.blocks} complete "
                f"blocks, and the policy asks for {policy.gate.segments.blocks}"
            )
        measured, scores = dict[str, _Measured](), {}
        for name, version in (("challenger", challenger), ("champion", champion)):
            if version is not None:
                log(f"{name} {uri_of(version)} embeds the test pairs of this snapshot")
                grouping = grouping_of(client, version)
                embeddings = embed_with(project, uri_of(version), pairs.products, log)
                own = measured[name] = _measure(pairs, embeddings, grouping["method"], policy.gate)
                scores[name] = Scores(own.on_pairs.block_similarity, grouping["threshold"])
                known[name] = {
                    metric: own.draws(metric, grouping["threshold"])
                    for metric in policy.gate.metrics
                    if enough or metric != COMPLETE_BLOCK_AP
                }
        if champion is not None:
            known["favoured"] = _favoured(grouping_of(client, champion)["split_by"], metrics)
            known["fresh"] = challenger.tags.get("snapshot") != champion.tags.get("snapshot")
            note_comparison(client, challenger, champion, pairs.sketch)
            known["comparison"] = count_comparisons(
                client, challenger.name, pairs.sketch, policy.gate.same_pairs
            )
            known["segments"] = _segments(pairs, measured["challenger"], measured["champion"])
            if COMPLETE_BLOCK_AP not in known["challenger"]:  # there it has decided already
                known["segments"] += _complete_blocks(
                    pairs, measured["challenger"], measured["champion"]
                )
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


class _Measured(NamedTuple):
    """A model on the judged pairs.

    Attributes:
        on_pairs: the annotated products.
        on_blocks: float (1 + resamples,), block AP of complete blocks, see
            `ml.evaluate.complete_evaluation`; None if there are none.
    """

    on_pairs: Evaluation
    on_blocks: np.ndarray | None

    def draws(self, metric: str, threshold: float) -> np.ndarray:
        """Computes a metric for each resample: float (1 + resamples,)."""
        if metric == COMPLETE_BLOCK_AP:
            assert self.on_blocks is not None  # else the metric is not asked for
            return self.on_blocks
        return self.on_pairs.draws(metric, threshold)


def _measure(
    pairs: JudgedPairs, embeddings: np.ndarray, clustering: ClusteringName, policy: GatePolicy
) -> _Measured:
    on_pairs = Evaluation(embeddings[pairs.annotated], pairs.resamples, clustering)
    if pairs.complete is None:
        return _Measured(on_pairs, None)
    own = embeddings[pairs.in_complete]
    complete = CompleteEvaluation(own, pairs.complete, policy.resamples, policy.seed)
    return _Measured(on_pairs, complete.block_ap_draws())


def _complete_blocks(
    pairs: JudgedPairs, challenger: _Measured, champion: _Measured
) -> list[Segment]:
    """Returns both models on the complete blocks, the segment that nobody has selected."""
    if pairs.complete is None or challenger.on_blocks is None or champion.on_blocks is None:
        return []
    variants = pairs.complete.facts()["variants"]
    both = challenger.on_blocks, champion.on_blocks
    return [Segment("complete blocks", variants, *both, blocks=pairs.blocks)]


def _segments(pairs: JudgedPairs, challenger: _Measured, champion: _Measured) -> list[Segment]:
    """Measures both models on every segment that holds pairs of variants and of other designs."""
    label, found = pairs.resamples.annotations.block_pairs.label, []
    for name, chosen in pairs.parts.items():
        positives = int(label[chosen].sum())
        if 0 < positives < chosen.sum():
            one, other = (
                model.on_pairs.over_part(average_precision, chosen)
                for model in (challenger, champion)
            )
            found.append(Segment(name, positives, one, other))
    return found
