"""The gate: may this model replace the champion? A policy, the evidence, and a decision with every check's figure."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field, ValidationError, field_validator

from ml.bootstrap import interval
from ml.errors import UserError
from ml.figures import FIGURES
from ml.params import Params, describe


class ModelNames(Params):
    """The section `models` of the policy: names in the registry."""

    candidates: str
    production: str


class GatePolicy(Params):
    """The section `gate` of the policy; the file says what each value means."""

    metric: str
    floor: float
    baselines: list[str]
    baseline_gain: float
    margin: float = Field(ge=0)
    min_gain: float
    resamples: int = Field(ge=100)
    seed: int

    @field_validator("metric")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FIGURES:
            raise ValueError(f"is none of {', '.join(FIGURES)}")
        return name


class Policy(Params):
    """The whole of mlflow/promotion.yaml."""

    models: ModelNames
    gate: GatePolicy


@dataclass(frozen=True)
class Evidence:
    """What the gate knows of a challenger.

    Attributes:
        dirty: whether it was made from uncommitted changes.
        reason: why it could not be evaluated, or None.
        challenger, champion: float (1 + resamples,), the policy's metric for paired resamples of the same test pairs, the
            sample itself first; None where not evaluable or where there is no champion.
        baselines: name → value of the metric on those pairs.
    """

    dirty: bool
    reason: str | None
    challenger: np.ndarray | None
    champion: np.ndarray | None
    baselines: dict[str, float]


def load_policy(path: Path) -> Policy:
    """Reads the promotion policy.

    Raises:
        UserError: missing, not YAML, or against the schema; every mistake is named.
    """
    try:
        return Policy.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise UserError(f"the promotion policy cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(f"the promotion policy {path} does not hold: {describe(error)}") from error


def decide(policy: GatePolicy, evidence: Evidence) -> dict[str, Any]:
    """Holds the evidence against the policy.

    Returns:
        {"passed", "metric", "checks": [{"name", "passed", "figure", "threshold", "words"}], "challenger", "champion",
        "difference"}; the last three are {"value", "low", "high"} or None. It passes if every check does.
    """
    metric = policy.metric
    checks = [
        _check("committed", not evidence.dirty, None, None, "it was made from a commit, without uncommitted changes"),
        _check("evaluable", evidence.reason is None, None, None, evidence.reason or "annotated pairs judge it"),
    ]
    decision: dict[str, Any] = {"metric": metric, "challenger": None, "champion": None, "difference": None}
    if evidence.challenger is not None:
        value = float(evidence.challenger[0])
        decision["challenger"] = interval(evidence.challenger)
        checks.append(_check("floor", value >= policy.floor, value, policy.floor, f"{metric} is at least the floor"))
        for name in policy.baselines:
            least = evidence.baselines[name] + policy.baseline_gain
            words = f"{metric} is at least that of the baseline '{name}'"
            checks.append(_check(f"above {name}", value >= least, value, least, words))
        if evidence.champion is not None:
            difference = interval(evidence.challenger - evidence.champion)
            decision["champion"], decision["difference"] = interval(evidence.champion), difference
            gain, low = difference["value"], difference["low"]
            words = f"{metric} is at least {policy.min_gain:+g} against the champion"
            checks.append(_check("gain", gain is not None and gain >= policy.min_gain, gain, policy.min_gain, words))
            words = "the lower 95 % bound of that difference shows that it is not worse by more than the margin"
            checks.append(_check("non-inferior", low is not None and low >= -policy.margin, low, -policy.margin, words))
    return {"passed": all(check["passed"] for check in checks), **decision, "checks": checks}


def _check(name: str, passed: bool, figure: float | None, threshold: float | None, words: str) -> dict[str, Any]:
    return {"name": name, "passed": bool(passed), "figure": figure, "threshold": threshold, "words": words}
