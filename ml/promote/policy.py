"""The promotion policy: a class for each section of mlflow/promotion.yaml.

The comments of that file explain every value.
"""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import ConfigDict, Field, ValidationError, field_validator, model_validator

from ml.core.errors import UserError
from ml.core.params import Params, describe
from ml.core.reasons import reason
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP, METRICS

STAY_FRESH = "stay-fresh"  # the value of `gate.policy`; the other one is prove-gain


class ModelNames(Params):
    """The section `models` of the policy: names of the registered models."""

    candidates: str
    production: str


class SegmentPolicy(Params):
    """The section `gate.segments` of the policy: when a segment is too much worse."""

    pairs: int = Field(ge=1)
    blocks: int = Field(ge=2)
    margin: float = Field(ge=0)
    significance: float = Field(gt=0, lt=0.5)


class ServingPolicy(Params):
    """The section `gate.serving` of the policy: the limits of the serving check."""

    canaries: int = Field(ge=0)
    tolerance: float = Field(ge=0)
    latency: float = Field(gt=0)
    size: float = Field(gt=0)


class ImpactPolicy(Params):
    """The section `gate.impact` of the policy: how many products a promotion may move."""

    mode: Literal["enforce", "report", "off"]
    largest_share: float = Field(ge=0, le=1)
    sample: int = Field(ge=2)


class ProveGainPolicy(Params):
    """The section `gate.policies.prove-gain`: a gain is proven, and no metric is provably worse."""

    min_gain: float
    margin: float = Field(ge=0)


class StayFreshPolicy(Params):
    """The section `gate.policies.stay-fresh`: every metric is proven to be as good."""

    margins: dict[str, Annotated[float, Field(gt=0)]]


class NamedPolicies(Params):
    """The section `gate.policies`: those that `gate.policy` chooses from."""

    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    prove_gain: ProveGainPolicy = Field(alias="prove-gain")
    stay_fresh: StayFreshPolicy = Field(alias="stay-fresh")


class GatePolicy(Params):
    """The section `gate` of the policy: the limits that a challenger must keep."""

    mode: Literal["enforce", "dry-run"]
    policy: Literal["prove-gain", "stay-fresh"]
    policies: NamedPolicies
    metrics: list[str] = Field(min_length=1)
    floor: float
    baselines: list[str]
    baseline_gain: float
    significance: float = Field(gt=0, lt=0.5)
    power: float = Field(gt=0.5, lt=1)
    same_pairs: float = Field(gt=0, le=1)
    resamples: int = Field(ge=2000)
    seed: int
    segments: SegmentPolicy
    serving: ServingPolicy
    impact: ImpactPolicy

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        known = [*METRICS, COMPLETE_BLOCK_AP]
        if len(set(names)) < len(names) or not set(names) <= set(known):
            raise ValueError(f"must be different ones of {', '.join(known)}")
        if names[0] == COMPLETE_BLOCK_AP:  # not every test split has complete blocks
            raise ValueError(f"must begin with another metric than {COMPLETE_BLOCK_AP}")
        return names

    @model_validator(mode="after")
    def _a_margin_each(self) -> "GatePolicy":
        missing = [name for name in self.metrics if name not in self.policies.stay_fresh.margins]
        if missing:
            raise ValueError(f"policies.stay-fresh.margins lacks {', '.join(missing)}")
        return self


class ApprovalPolicy(Params):
    """The section `approval` of the policy: who must approve what the gate has passed."""

    approvers: int = Field(ge=0)
    author_alone: bool
    reproduced: bool
    timeout_hours: float = Field(gt=0)


class Policy(Params):
    """The whole of mlflow/promotion.yaml."""

    models: ModelNames
    record: Literal["strict", "warn"]
    gate: GatePolicy
    approval: ApprovalPolicy


def load_policy(path: Path) -> Policy:
    """Reads the promotion policy.

    Raises:
        UserError: the file is missing, is not YAML, or has values that no policy may have; the
            message names every mistake.
    """
    try:
        return read_policy(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeError) as error:
        raise UserError(f"the promotion policy {path} cannot be read: {reason(error)}") from error


def read_policy(text: str, name: str) -> Policy:
    """Reads the text of a promotion policy; it raises as `load_policy`.

    Args:
        name: of the file, for messages.
    """
    try:
        return Policy.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UserError(f"the promotion policy {name} cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(
            f"the promotion policy {name} is not valid: {describe(error)}; correct it "
            "(docs/promotion.md explains every value)"
        ) from error
