"""The gate holds evidence against the policy file, and every check can fail."""

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT

from ml.core.errors import UserError
from ml.promote.decision import Decision, Reuse
from ml.promote.evidence import Evidence, Segment, Serving
from ml.promote.gate import decide, lower_bound
from ml.promote.policy import GatePolicy, load_policy
from ml.promote.words import number, outcome, sentences

POLICY = GatePolicy(
    mode="enforce",
    metric="block_ap",
    floor=0.3,
    baselines=["gray"],
    baseline_gain=0.0,
    margin=0.05,
    min_gain=0.0,
    significance=0.05,
    power=0.8,
    same_pairs=0.5,
    resamples=2000,
    seed=0,
    segments={"pairs": 20, "margin": 0.0, "significance": 0.05},
    serving={"canaries": 16, "tolerance": 0.001, "latency": 500, "size": 200},
)


def samples(value: float, spread: float = 0.02, seed: int = 0) -> np.ndarray:
    return np.concatenate([[value], np.random.default_rng(seed).normal(value, spread, 2000)])


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
    assert decision.passed == (not decision.failed)
    assert decision.verdict == ("refused" if decision.failed else "passed")
    return [check.name for check in decision.failed]


def reuse(policy: GatePolicy, **changes: object) -> Reuse:
    found = decide(policy, evidence(**changes)).reuse
    assert found is not None
    return found


def test_a_decision_says_what_the_split_proves_and_why_a_comparison_is_unequal() -> None:
    decision = decide(POLICY, evidence(proves="products of seen brands", favoured="unequal"))
    assert Decision.from_json(decision.to_json()) == decision
    assert (decision.proves, decision.favoured) == ("products of seen brands", "unequal")
    before = {k: v for k, v in decision.to_json().items() if k not in ("proves", "favoured")}
    assert Decision.from_json(before).proves == ""


def test_a_better_model_passes_with_every_value_and_threshold_named() -> None:
    decision = decide(POLICY, evidence())
    assert decision.passed
    assert decision.difference is not None
    assert decision.difference["value"] == pytest.approx(0.1)
    assert {check.name for check in decision.checks} == {
        "committed",
        "evaluable",
        "floor",
        "above gray",
        "gain",
        "significant",
    }
    assert all(check.words for check in decision.checks)


def test_the_first_model_goes_by_the_floors_alone() -> None:
    assert failed(champion=None) == []
    assert failed(champion=None, challenger=samples(0.2)) == ["floor", "above gray"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"dirty": True}, ["committed"]),
        (
            {"reason": "no pairs", "challenger": None, "champion": None, "baselines": {}},
            ["evaluable"],
        ),
        ({"baselines": {"gray": 0.71}}, ["above gray"]),
        ({"champion": samples(0.72)}, ["gain"]),
        ({"champion": samples(0.7)}, ["gain"]),  # the same again is no gain
        ({"champion": samples(0.8)}, ["gain", "significant"]),
        ({"champion": samples(0.69, 0.2, seed=1)}, ["significant"]),
        ({"challenger": samples(0.29), "champion": None, "baselines": {"gray": 0.1}}, ["floor"]),
    ],
)
def test_each_check_refuses_what_it_is_for(changes: dict[str, object], names: list[str]) -> None:
    assert failed(**changes) == names


def test_models_are_compared_resample_by_resample() -> None:
    noisy = samples(0.7, spread=0.2)
    decision = decide(POLICY, evidence(challenger=noisy + 0.01, champion=noisy))
    assert decision.difference is not None
    assert decision.difference["low"] == pytest.approx(0.01)
    assert decision.passed


def test_the_same_evidence_is_refused_once_the_pairs_have_decided_too_often() -> None:
    slight = {"challenger": samples(0.7, 0.02, seed=1), "champion": samples(0.69, 0.01)}
    assert failed(comparison=1, **slight) == []
    assert failed(comparison=20, **slight) == ["significant"]
    levels = [reuse(POLICY, comparison=k, **slight).significance for k in range(1, 400)]
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) < POLICY.significance
    assert reuse(POLICY, comparison=9, **slight).left == pytest.approx(
        POLICY.significance - sum(levels[:9])
    )


def test_the_smallest_gain_that_is_told_is_found_with_the_stated_power() -> None:
    policy = POLICY.model_copy(update={"margin": 0.0})
    champion, noise = samples(0.6, 0.0), samples(0.0, 0.03, seed=2)
    told = reuse(policy, challenger=champion + noise, champion=champion, comparison=4)
    gain = told.smallest_gain
    draws = np.random.default_rng(3).normal(
        gain, 0.03, 4000
    )  # figures that a model with this gain may show
    verdicts = [
        lower_bound(noise + draw, policy.significance / 30) > 0 for draw in draws
    ]  # the fifth comparison
    assert np.mean(verdicts) == pytest.approx(policy.power, abs=0.03)


def test_a_segment_that_is_provably_worse_refuses_a_model_that_is_better_on_the_whole() -> None:
    def on(name: str, difference: float, positives: int = 30) -> Segment:
        return Segment(name, positives, samples(0.6 + difference, 0.02, seed=4), samples(0.6, 0.0))

    assert (
        failed(segments=[on("article type Shirts", 0.1), on("gender Men", -0.01)]) == []
    )  # may be luck
    assert failed(segments=[on("article type Shirts", -0.2), on("gender Men", 0.1)]) == [
        "segment article type Shirts"
    ]
    few = decide(POLICY, evidence(segments=[on("article type Shirts", -0.2, positives=19)]))
    assert few.passed
    (told,) = few.segments
    assert (told.name, told.positives, told.guarded) == ("article type Shirts", 19, False)


def test_many_segments_raise_no_more_false_alarms_than_one() -> None:
    alarms = 0
    for seed in range(200):  # models that are equal on 12 segments
        random = np.random.default_rng(seed)
        shown = [float(random.normal(0, 0.02)) for _ in range(12)]
        parts = [
            Segment(str(place), 30, samples(0.6 + one, 0.02, seed), samples(0.6, 0.0))
            for place, one in enumerate(shown)
        ]
        alarms += bool(failed(segments=parts))
    assert alarms / 200 < 0.09  # 0.05, and what 200 draws may show above it


@pytest.mark.parametrize(
    ("serving", "names"),
    [
        (Serving(None, [], 1e-5, 40, 30), []),
        (Serving("no answer", [], None, None, 30), ["serves"]),
        (Serving(None, ["torch==1.0: 2.14.1 is installed"], 1e-5, 40, 30), ["pinned versions"]),
        (Serving(None, [], 0.01, 40, 30), ["same embeddings served"]),
        (Serving(None, [], 1e-5, 600, 30), ["latency"]),
        (Serving(None, [], 1e-5, 40, 201), ["size"]),
    ],
)
def test_a_candidate_that_does_not_serve_as_it_was_judged_is_refused(
    serving: Serving, names: list[str]
) -> None:
    assert failed(serving=serving) == names
    assert failed(serving=serving, champion=None) == names  # the first model too


def test_a_dry_run_tells_the_same_verdict() -> None:
    worse = evidence(champion=samples(0.8))
    dry = decide(POLICY.model_copy(update={"mode": "dry-run"}), worse)
    assert (dry.mode, dry.passed) == ("dry-run", False)
    assert dry.checks == decide(POLICY, worse).checks


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"champion": None},
        {"reason": "no pairs", "challenger": None, "champion": None, "baselines": {}},
        {
            "segments": [Segment("gender Men", 30, samples(0.6), samples(0.7))],
            "serving": Serving("no answer", ["x==1: not installed"], None, None, 30),
            "challenger_model": "models:/a/2",
            "champion_model": "models:/b/1",
        },
    ],
)
def test_a_decision_is_read_as_it_was_written(changes: dict[str, object]) -> None:
    decision = decide(POLICY, evidence(**changes))
    written = json.dumps(decision.to_json(), allow_nan=False)
    assert Decision.from_json(json.loads(written)) == decision
    assert json.loads(written)["passed"] == decision.passed


@pytest.mark.parametrize(
    ("serving", "retriable"),
    [
        (Serving("no answer", [], None, None, 30), True),
        (Serving(None, ["torch==1.0: 2.14.1 is installed"], 1e-5, 40, 30), True),
        (Serving(None, [], 0.01, 40, 30), True),
        (Serving(None, [], 1e-5, 600, 30), True),
        (Serving(None, [], 1e-5, 40, 201), False),  # its files will not get smaller
        (Serving(None, [], 1e-5, 40, 30), False),
    ],
)
def test_what_another_time_or_machine_may_pass_is_known(serving: Serving, retriable: bool) -> None:
    assert decide(POLICY, evidence(serving=serving)).retriable is retriable
    assert decide(POLICY, evidence(champion=samples(0.8))).retriable is False


def test_a_refusal_says_in_sentences_what_was_measured_and_what_was_needed() -> None:
    worse = Segment("gender Men", 94, samples(0.5), samples(0.6))
    slow = Serving(None, [], 0.01, 600, 201)
    changes = {"challenger": samples(0.29), "champion": samples(0.297), "segments": [worse]}
    found = sentences(decide(POLICY, evidence(**changes, serving=slow, dirty=True)))
    wanted = [
        "Made from uncommitted changes",
        "Below the floor: block_ap is 0.290; at least 0.300 would have been needed",
        "Not above the baseline gray: block_ap is 0.290; at least 0.400 would have been needed",
        "No gain: the difference in block_ap to the champion is −0.007; more than 0.000 would have",
        "Provably worse on gender Men: block AP is lower by at least 0.100; at most 0.000",
        "Too large: its files take 201 MB; at most 200 MB are allowed",
        "Other embeddings are served than were recorded: they differ by up to 0.01; at most 0.001",
        "Too slow: a product takes 600 ms over HTTP; at most 500 ms",
    ]
    for sentence, words in zip(found, wanted, strict=True):
        assert sentence.startswith(words)


def test_a_gain_that_is_not_proven_names_the_gain_that_would_have_been() -> None:
    strict = POLICY.model_copy(update={"margin": 0.0})
    changes = {"challenger": samples(0.61), "champion": samples(0.6, seed=1)}
    decision = decide(strict, evidence(**changes))
    (words,) = sentences(decision)
    assert outcome(decision) == f"refused. {words}"
    needed = float(words.removeprefix("No proven gain: the difference is 0.010; more than ")[:5])
    enough = decide(strict, evidence(**changes | {"challenger": samples(0.601 + needed)}))
    assert enough.passed
    almost = decide(strict, evidence(**changes | {"challenger": samples(0.599 + needed)}))
    assert not almost.passed


def test_numbers_have_three_decimals_a_real_minus_and_no_negative_zero() -> None:
    values = (-0.0, -0.0004, 0.0, -0.0071, 1.23456, None)
    assert [number(one) for one in values] == ["0.000", "0.000", "0.000", "−0.007", "1.235", "–"]


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
        ({"resamples": 1999}, "gate.resamples"),
        ({"mode": "maybe"}, "gate.mode"),
        ({"significance": 0}, "gate.significance"),
    ],
)
def test_a_mistake_in_the_policy_is_named_with_its_place(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    policy = yaml.safe_load((ROOT / "mlflow/promotion.yaml").read_text())
    policy["gate"] |= change
    (tmp_path / "promotion.yaml").write_text(yaml.safe_dump(policy))
    with pytest.raises(UserError, match=words.replace(".", r"\.")):
        load_policy(tmp_path / "promotion.yaml")


def test_a_missing_policy_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        load_policy(tmp_path / "promotion.yaml")
