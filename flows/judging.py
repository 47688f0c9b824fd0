"""The gate's evidence: challenger and champion, both as registered, on the same test pairs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from flows.project import Project
from flows.registry import grouping_of, uri_of
from flows.scoring import embed_with
from flows.tracking import connect
from ml.blocks import block_mates
from ml.bootstrap import resample
from ml.figures import resampled_figures
from ml.files import read_json, read_table
from ml.gate import Evidence, GatePolicy, decide
from ml.layout import EVALUATED, PREPARED, SNAPSHOT
from ml.schema import BLOCK
from ml.truth import Truth, build_truth


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
        pairs, client = _test_pairs(root, policy), connect(project)
        for name, version in (("challenger", challenger), ("champion", champion)):
            if version is not None:
                tell(f"{name} {uri_of(version)} looks at the test pairs of this snapshot")
                embeddings = embed_with(project, uri_of(version), pairs.products, tell)[pairs.annotated]
                own = grouping_of(client, version)
                figures = resampled_figures(embeddings, pairs.truth, own["threshold"], pairs.weight, own["method"])
                scores[name] = figures[policy.metric]
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


class _TestPairs(NamedTuple):
    """What both models are asked.

    Attributes:
        products: the blocks of the test split that hold annotated products, whole; annotated: places of these in them.
        truth: of the annotated products; weight: of each resample.
    """

    products: pd.DataFrame
    annotated: np.ndarray
    truth: Truth
    weight: np.ndarray


def _test_pairs(root: Path, policy: GatePolicy) -> _TestPairs:
    products = read_table(root / PREPARED / "products.parquet")
    test = products[products["split"] == "test"].reset_index(drop=True)
    truth = build_truth(test, read_table(root / PREPARED / "pairs.parquet"))
    mates = block_mates(test, truth.rows)
    asked = test.iloc[mates].reset_index(drop=True)
    table = asked[BLOCK].assign(image=[str(root / SNAPSHOT / "images" / name) for name in asked["sha256"]])
    annotated = np.searchsorted(mates, truth.rows)
    return _TestPairs(table, annotated, truth, resample(int(truth.design.max()) + 1, policy.resamples, policy.seed))
