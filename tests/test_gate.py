"""The gate holds evidence against the policy file, and every check can fail."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from ml.errors import UserError
from ml.gate import Evidence, GatePolicy, decide, load_policy

POLICY = GatePolicy(
    metric="block_ap",
    floor=0.3,
    baselines=["gray"],
    baseline_gain=0.0,
    margin=0.05,
    min_gain=0.0,
    resamples=200,
    seed=0,
)


def samples(value: float, spread: float = 0.02) -> np.ndarray:
    return np.concatenate([[value], np.random.default_rng(0).normal(value, spread, 200)])


def evidence(**changes: object) -> Evidence:
    facts = {
        "dirty": False,
        "reason": None,
        "challenger": samples(0.7),
        "champion": samples(0.6),
        "baselines": {"gray": 0.4},
    }
    return Evidence(**{**facts, **changes})


def failed(**changes: object) -> list[str]:
    decision = decide(POLICY, evidence(**changes))
    assert decision["passed"] == (not [check for check in decision["checks"] if not check["passed"]])
    return [check["name"] for check in decision["checks"] if not check["passed"]]


def test_a_better_model_passes_with_every_figure_and_threshold_told() -> None:
    decision = decide(POLICY, evidence())
    assert decision["passed"] is True
    assert decision["difference"]["value"] == pytest.approx(0.1)
    assert {check["name"] for check in decision["checks"]} == {
        "committed",
        "evaluable",
        "floor",
        "above gray",
        "gain",
        "non-inferior",
    }
    assert all(check["words"] for check in decision["checks"])


def test_the_first_model_goes_by_the_floors_alone() -> None:
    assert failed(champion=None) == []
    assert failed(champion=None, challenger=samples(0.2)) == ["floor", "above gray"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"dirty": True}, ["committed"]),
        ({"reason": "no pairs", "challenger": None, "champion": None, "baselines": {}}, ["evaluable"]),
        ({"baselines": {"gray": 0.71}}, ["above gray"]),
        ({"champion": samples(0.72)}, ["gain"]),
        ({"champion": samples(0.8)}, ["gain", "non-inferior"]),
        ({"challenger": samples(0.29), "champion": None, "baselines": {"gray": 0.1}}, ["floor"]),
    ],
)
def test_each_check_refuses_what_it_is_for(changes: dict[str, object], names: list[str]) -> None:
    assert failed(**changes) == names


def test_models_are_compared_resample_by_resample() -> None:
    noisy = np.concatenate([[0.7], np.random.default_rng(1).normal(0.7, 0.2, 200)])
    decision = decide(POLICY, evidence(challenger=noisy + 0.01, champion=noisy))
    assert decision["difference"]["low"] == pytest.approx(0.01)
    assert decision["passed"] is True


def test_the_committed_policy_is_readable_and_names_known_figures() -> None:
    policy = load_policy(ROOT / "mlflow/promotion.yaml")
    assert policy.models.production == "color-variants"
    assert policy.gate.resamples >= 2000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"metric": "beauty"}, "gate.metric"),
        ({"margin": -1}, "gate.margin"),
        ({"unknown": 1}, "gate.unknown"),
        ({"resamples": "many"}, "gate.resamples"),
    ],
)
def test_a_mistake_in_the_policy_is_named_with_its_place(tmp_path: Path, change: dict[str, object], words: str) -> None:
    policy = yaml.safe_load((ROOT / "mlflow/promotion.yaml").read_text())
    policy["gate"] |= change
    (tmp_path / "promotion.yaml").write_text(yaml.safe_dump(policy))
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        load_policy(tmp_path / "promotion.yaml")


def test_a_missing_policy_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_policy(tmp_path / "promotion.yaml")
