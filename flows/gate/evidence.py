"""The gate's evidence: challenger and champion, both as registered, on the same test pairs."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from flows.gate.serving_check import try_serving
from flows.local.project import Project
from flows.registry.comparisons import count_comparisons, note_comparison
from flows.registry.remote_predict import embed_with
from flows.registry.tracking import connect
from flows.registry.versions import grouping_of, uri_of
from ml.core.files import read_json, read_table
from ml.core.paths import EVALUATED, PREPARED, SNAPSHOT
from ml.data.annotations import Annotations, PairSet, build_annotations
from ml.data.blocks import block_mates
from ml.data.schema import BLOCK
from ml.evaluate.bootstrap import resample
from ml.evaluate.evaluation import over_resamples, resampled_figures, similarities
from ml.evaluate.metrics import average_precision
from ml.promote.alpha_spending import sketch
from ml.promote.gate import Evidence, Segment, decide
from ml.promote.policy import GatePolicy, Policy
from ml.promote.segments import segments


def judge(
    project: Project,
    policy: Policy,
    root: Path,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    log: Callable[[str], None],
) -> dict[str, Any]:
    """Compares two registered models on the test split of the challenger's own snapshot and decides.

    Args:
        root: the checkout with the challenger's snapshot and prepared products.

    Returns:
        The decision (see `ml.promote.gate.decide`) with challenger_model, champion_model (URIs) and
        policy.
    """
    metrics = read_json(root / EVALUATED / "metrics.json")
    known: dict[str, Any] = {"challenger": None, "champion": None, "baselines": {}}
    if metrics["evaluable"]:
        metric, pairs, client = policy.gate.metric, _test_pairs(root, policy.gate), connect(project)
        known["baselines"] = {
            name: entry["test"][metric]["value"] for name, entry in metrics["baselines"].items()
        }
        embeddings = {}
        for name, version in (("challenger", challenger), ("champion", champion)):
            if version is not None:
                log(f"{name} {uri_of(version)} looks at the test pairs of this snapshot")
                embeddings[name] = embed_with(project, uri_of(version), pairs.products, log)[
                    pairs.annotated
                ]
                own = grouping_of(client, version)
                known[name] = resampled_figures(
                    embeddings[name],
                    pairs.annotations,
                    own["threshold"],
                    pairs.weight,
                    own["method"],
                )[metric]
        if champion is not None:
            note_comparison(client, challenger, champion, pairs.sketch)
            known["comparison"] = count_comparisons(
                client, challenger.name, pairs.sketch, policy.gate.same_pairs
            )
            known["segments"] = _segments(pairs, embeddings["challenger"], embeddings["champion"])
    if policy.gate.serving.canaries:
        known["serving"] = try_serving(project, policy.gate.serving, root, challenger, log)
    evidence = Evidence(
        dirty=challenger.tags.get("dirty") != "false", reason=metrics["reason"], **known
    )
    return {
        **decide(policy.gate, evidence),
        "challenger_model": uri_of(challenger),
        "champion_model": uri_of(champion) if champion else None,
        "policy": policy.gate.model_dump(),
    }


class _TestPairs(NamedTuple):
    """What both models are asked.

    Attributes:
        products: the blocks of the test split that hold annotated products, whole; annotated:
            places of these in them.
        truth: of the annotated products; weight: of each resample.
        parts: name → which of the truth's block pairs are in this segment.
        sketch: by which these pairs are known again (see `ml.promote.alpha_spending`).
    """

    products: pd.DataFrame
    annotated: np.ndarray
    annotations: Annotations
    weight: np.ndarray
    parts: dict[str, np.ndarray]
    sketch: str


def _test_pairs(root: Path, policy: GatePolicy) -> _TestPairs:
    products = read_table(root / PREPARED / "products.parquet")
    rows = np.flatnonzero(products["split"] == "test")
    test = products.iloc[rows].reset_index(drop=True)
    annotations = build_annotations(test, read_table(root / PREPARED / "pairs.parquet"))
    mates = block_mates(test, annotations.indices)
    asked = test.iloc[mates].reset_index(drop=True)
    table = asked[BLOCK].assign(
        image=[str(root / SNAPSHOT / "images" / name) for name in asked["sha256"]]
    )
    judged = test.iloc[annotations.indices]
    images, masks = (
        np.load(root / PREPARED / f"{name}.npy", mmap_mode="r") for name in ("images", "masks")
    )
    here, pairs = rows[annotations.indices], annotations.block_pairs
    digest = judged["sha256"].to_numpy()
    return _TestPairs(
        products=table,
        annotated=np.searchsorted(mates, annotations.indices),
        annotations=annotations,
        weight=resample(int(annotations.design.max()) + 1, policy.resamples, policy.seed),
        parts=dict(segments(judged, annotations, images[here], masks[here])),
        sketch=sketch(zip(digest[pairs.left], digest[pairs.right], pairs.label, strict=True)),
    )


def _segments(pairs: _TestPairs, challenger: np.ndarray, champion: np.ndarray) -> list[Segment]:
    """Both models on every segment that holds pairs of variants and of other designs."""
    whole, found = pairs.annotations.block_pairs, []
    for name, chosen in pairs.parts.items():
        part = PairSet(whole.left[chosen], whole.right[chosen], whole.label[chosen])
        if 0 < part.label.sum() < len(part):
            both = [_block_ap(embeddings, part, pairs) for embeddings in (challenger, champion)]
            found.append(Segment(name, int(part.label.sum()), *both))
    return found


def _block_ap(embeddings: np.ndarray, part: PairSet, pairs: _TestPairs) -> np.ndarray:
    ranked = partial(average_precision, part.label, similarities(embeddings, part))
    return over_resamples(ranked, part, pairs.annotations.design, pairs.weight)
