"""The gate's evidence: challenger and champion, both as registered, on the same test pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.entities.model_registry import ModelVersion

from flows.project import Project
from flows.registry import uri_of
from flows.scoring import embed_with
from ml.bootstrap import resample
from ml.figures import resampled_figures
from ml.files import read_json, read_table
from ml.gate import Evidence, GatePolicy, decide
from ml.layout import EVALUATED, PREPARED, SNAPSHOT
from ml.truth import build_truth


def judge(
    project: Project,
    policy: GatePolicy,
    root: Path,
    challenger: ModelVersion,
    champion: ModelVersion | None,
    tell: Callable[[str], None],
) -> dict[str, Any]:
    """Compares two registered models on the test split of the challenger's own snapshot and decides.

    Args:
        root: the checkout with the challenger's snapshot and prepared products.

    Returns:
        The decision (see `ml.gate.decide`) with challenger_model, champion_model (URIs) and policy.
    """
    metrics = read_json(root / EVALUATED / "metrics.json")
    scores: dict[str, np.ndarray | None] = {"challenger": None, "champion": None}
    baselines = {}
    if metrics["evaluable"]:
        baselines = {name: entry["test"][policy.metric]["value"] for name, entry in metrics["baselines"].items()}
        for name, version in (("challenger", challenger), ("champion", champion)):
            if version is not None:
                tell(f"{name} {uri_of(version)} looks at the test pairs of this snapshot")
                scores[name] = _resampled(project, policy, root, version, tell)
    evidence = Evidence(
        dirty=challenger.tags.get("dirty") != "false",
        reason=metrics["reason"],
        challenger=scores["challenger"],
        champion=scores["champion"],
        baselines=baselines,
    )
    return {
        **decide(policy, evidence),
        "challenger_model": uri_of(challenger),
        "champion_model": uri_of(champion) if champion else None,
        "policy": policy.model_dump(),
    }


def _resampled(
    project: Project, policy: GatePolicy, root: Path, version: ModelVersion, tell: Callable[[str], None]
) -> np.ndarray:
    products = read_table(root / PREPARED / "products.parquet")
    test = products[products["split"] == "test"].reset_index(drop=True)
    truth = build_truth(test, read_table(root / PREPARED / "pairs.parquet"))
    table = test.iloc[truth.rows][["brand", "gender", "article_type"]].reset_index(drop=True)
    table["image"] = [str(root / SNAPSHOT / "images" / name) for name in test["sha256"].iloc[truth.rows]]
    embeddings = embed_with(project, uri_of(version), table, tell)
    weight = resample(int(truth.design.max()) + 1, policy.resamples, policy.seed)
    return resampled_figures(embeddings, truth, float(version.tags["threshold"]), weight)[policy.metric]
