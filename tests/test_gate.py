"""The gate holds evidence against the policy file, and every check can fail."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.display.prefect_artifacts import decision_page
from flows.local.markdown import plain
from ml.core.errors import UserError
from ml.evaluate.metric_words import COMPLETE_BLOCK_AP
from ml.promote.alpha_spending import spendable
from ml.promote.decision import CheckKind, Decision, Reuse
from ml.promote.evidence import Evidence, Segment, Serving
from ml.promote.gate import decide
from ml.promote.impact import ImpactSummary
from ml.promote.multiplicity import holm_levels
from ml.promote.policy import GatePolicy, ProveGainPolicy, load_policy
from ml.promote.words import impact_words, in_words, number, outcome, sentences, with_interval

POLICY = GatePolicy(
    mode="enforce",
    policy="prove-gain",
    policies={
        "prove-gain": {"min_gain": 0.0, "margin": 0.01},
        "stay-fresh": {"margins": {"block_ap": 0.05, "mean_ap": 0.02}},
    },
    metrics=["block_ap", "mean_ap"],
    floor=0.3,
    baselines=["gray"],
    baseline_gain=0.0,
    significance=0.05,
    power=0.8,
    same_pairs=0.5,
    resamples=2000,
    seed=0,
    segments={"pairs": 20, "blocks": 8, "margin": 0.0, "significance": 0.05},
    serving={"canaries": 16, "tolerance": 0.001, "latency": 500, "size": 200},
    impact={"mode": "enforce", "largest_share": 0.3, "sample": 2000},
)


def samples(value: float, spread: float = 0.02, seed: int = 0) -> np.ndarray:
    return np.concatenate([[value], np.random.default_rng(seed).normal(value, spread, 2000)])


STAY_FRESH = POLICY.model_copy(update={"policy": "stay-fresh"})
ONE_METRIC = POLICY.model_copy(update={"metrics": ["block_ap"]})


def measured(
    block_ap: float, mean_ap: float, spread: float = 0.02, seed: int = 0
) -> dict[str, np.ndarray]:
    return {
        "block_ap": samples(block_ap, spread, seed),
        "mean_ap": samples(mean_ap, spread / 4, seed + 100),
    }


def evidence(**changes: Any) -> Evidence:
    facts = {
        "dirty": False,
        "reason": None,
        "challenger": measured(0.7, 0.85),
        "champion": measured(0.6, 0.8),
        "baselines": {"gray": 0.4},
    }
    return Evidence(**{**facts, **changes})


def failed(policy: GatePolicy = POLICY, /, **changes: Any) -> list[str]:
    decision = decide(policy, evidence(**changes))
    assert decision.passed == (not decision.failed)
    assert decision.verdict == ("refused" if decision.failed else "passed")
    return [check.name for check in decision.failed]


def reuse(policy: GatePolicy, **changes: object) -> Reuse:
    found = decide(policy, evidence(**changes)).reuse
    assert found is not None
    return found


def test_a_decision_says_what_the_split_proves_and_why_a_comparison_is_unequal() -> None:
    decision = decide(POLICY, evidence(proves="products of seen brands", favoured="unequal"))
    assert Decision.from_json(decision.to_json() | {"files": {"a": "hash"}}) == decision
    assert (decision.proves, decision.favoured) == ("products of seen brands", "unequal")
    before = {k: v for k, v in decision.to_json().items() if k not in ("proves", "favoured")}
    assert Decision.from_json(before).proves == ""


def test_a_line_says_what_speaks_for_a_candidate_and_what_against_it() -> None:
    segment = [Segment("gender Men", 30, samples(0.7), samples(0.6))]
    impact = ImpactSummary(products=2000, moved=62, catalogue="the shop")
    better = in_words(decide(POLICY, evidence(segments=segment, impact=impact)))
    assert better == (
        "better by 0.100 in block_ap and 0.050 in mean_ap, proven; no segment worse; "
        "3.1 % of 2,000 products would move"
    )
    alike = decide(STAY_FRESH, evidence(champion=measured(0.705, 0.85)))
    assert in_words(alike) == (
        "as good as the champion within the policy's margins, proven "
        "(block_ap −0.005, mean_ap +0.000)"
    )
    alone = decide(POLICY, evidence(champion=None))
    assert in_words(alone) == "no champion to compare with, block_ap is 0.700"
    worse = decide(POLICY, evidence(champion=measured(0.8, 0.9)))
    assert in_words(worse) == "; ".join(sentences(worse))
    assert in_words(decide(POLICY, evidence(reason="no pairs", challenger=None, champion=None)))


def test_a_better_model_passes_with_every_value_and_threshold_named() -> None:
    decision = decide(POLICY, evidence())
    assert decision.passed
    first, second = decision.compared
    assert (first.metric, second.metric) == ("block_ap", "mean_ap")
    assert first.difference is not None
    assert first.difference["value"] == pytest.approx(0.1)
    assert [check.name for check in decision.checks] == [
        "committed",
        "evaluable",
        "floor",
        "above gray",
        "proven gain block_ap",
        "not worse block_ap",
        "not worse mean_ap",
    ]
    assert all(check.words for check in decision.checks)


def test_the_first_model_goes_by_the_floors_of_the_first_metric_alone() -> None:
    assert failed(champion=None) == []
    assert failed(champion=None, challenger=measured(0.2, 0.9)) == ["floor", "above gray"]


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"dirty": True}, ["committed"]),
        (
            {"reason": "no pairs", "challenger": None, "champion": None, "baselines": {}},
            ["evaluable"],
        ),
        ({"baselines": {"gray": 0.71}}, ["above gray"]),
        ({"champion": measured(0.7, 0.85)}, ["proven gain block_ap"]),  # the same again
        ({"champion": measured(0.705, 0.8)}, []),  # one proven gain is enough
        ({"champion": measured(0.72, 0.8)}, ["not worse block_ap"]),  # but not for what it costs
        ({"champion": measured(0.6, 0.9)}, ["not worse mean_ap"]),
        (
            {"champion": measured(0.8, 0.9)},
            ["proven gain mean_ap", "not worse block_ap", "not worse mean_ap"],
        ),
        ({"champion": measured(0.69, 0.849, 0.2, seed=1)}, ["proven gain block_ap"]),
        (
            {"challenger": measured(0.29, 0.8), "champion": None, "baselines": {"gray": 0.1}},
            ["floor"],
        ),
    ],
)
def test_each_check_refuses_what_it_is_for(changes: dict[str, object], names: list[str]) -> None:
    assert failed(**changes) == names


@pytest.mark.parametrize(
    ("champion", "names"),
    [
        (measured(0.7, 0.85), []),  # as good
        (measured(0.74, 0.86), []),  # within both margins
        (measured(0.76, 0.8), ["as good block_ap"]),  # a gain elsewhere is no excuse
        (measured(0.6, 0.88), ["as good mean_ap"]),
        (measured(0.7, 0.85, 0.2, seed=1), ["as good block_ap", "as good mean_ap"]),  # unproven
    ],
)
def test_stay_fresh_passes_what_is_proven_as_good_in_every_metric(
    champion: dict[str, np.ndarray], names: list[str]
) -> None:
    assert failed(STAY_FRESH, champion=champion) == names


def test_stay_fresh_asks_for_a_proven_gain_on_the_snapshot_of_the_champion() -> None:
    same = {"champion": measured(0.7, 0.85), "fresh": False}
    (refused,) = decide(STAY_FRESH, evidence(**same)).failed
    assert refused.kind == "proven gain"
    assert "the champion was trained on the same snapshot" in refused.words
    assert failed(STAY_FRESH, champion=measured(0.6, 0.8), fresh=False) == []


def test_the_least_gain_is_what_must_be_proven() -> None:
    rules = POLICY.policies.model_copy(
        update={"prove_gain": ProveGainPolicy(min_gain=0.08, margin=0.0)}
    )
    policy = POLICY.model_copy(update={"policies": rules})
    assert failed(policy) == []  # 0.1
    assert failed(policy, champion=measured(0.63, 0.8)) == ["proven gain block_ap"]


def test_models_are_compared_resample_by_resample() -> None:
    noisy = measured(0.7, 0.8, spread=0.2)
    better = {name: draws + 0.01 for name, draws in noisy.items()}
    decision = decide(POLICY, evidence(challenger=better, champion=noisy))
    for one in decision.compared:
        assert one.difference is not None
        assert one.difference["low"] == pytest.approx(0.01)
    assert decision.passed


def test_the_level_of_a_comparison_is_shared_by_its_metrics_after_holm() -> None:
    def levels(block_ap: float, mean_ap: float) -> list[float | None]:
        better = {"challenger": measured(block_ap, mean_ap, seed=1)}
        compared = decide(POLICY, evidence(**better, champion=measured(0.6, 0.8))).compared
        return [one.level for one in compared]

    level = spendable(POLICY.significance, 1)
    assert levels(0.8, 0.9) == pytest.approx([level / 2, level]) or levels(
        0.8, 0.9
    ) == pytest.approx([level, level / 2])
    assert levels(0.8, 0.8) == pytest.approx([level / 2, level])  # only block AP is proven
    assert levels(0.6, 0.9) == pytest.approx([level, level / 2])
    assert levels(0.6, 0.8) == pytest.approx([level / 2, level / 2])  # nothing is


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6), st.floats(0.001, 0.2))
@settings(deadline=None)
def test_holm_proves_what_its_adjusted_p_values_say(values: list[float], level: float) -> None:
    names = [str(place) for place in np.argsort(values, kind="stable")]  # most convincing first
    p = {str(place): value for place, value in enumerate(values)}
    levels = holm_levels(names, level, lambda name, share: p[name] <= share)
    # Adjusted p-values: the running maximum of (m − i) p, as in R's p.adjust(method="holm").
    ordered = np.sort(values) * np.arange(len(values), 0, -1)
    wanted = np.maximum.accumulate(ordered) <= level
    assert [p[name] <= levels[name] for name in names] == wanted.tolist()


def test_two_metrics_that_are_equal_pass_by_luck_no_more_often_than_one() -> None:
    lucky = {1: 0, 2: 0}
    for seed in range(400):
        random = np.random.default_rng(seed)
        difference = {name: samples(random.normal(0, 0.02), 0.02, seed) for name in POLICY.metrics}
        zero = {name: np.zeros(2001) for name in POLICY.metrics}
        for count, policy in ((1, ONE_METRIC), (2, POLICY)):
            found = decide(policy, evidence(challenger=difference, champion=zero))
            lucky[count] += "proven gain" not in {check.kind for check in found.failed}
    level = spendable(POLICY.significance, 1)
    for count in lucky.values():
        assert count / 400 < level + 0.02


def test_the_same_evidence_is_refused_once_the_pairs_have_decided_too_often() -> None:
    slight = {
        "challenger": measured(0.7, 0.85, 0.02, seed=1),
        "champion": measured(0.645, 0.85, 0.01),
    }
    assert failed(comparison=1, **slight) == []
    assert failed(comparison=20, **slight) == ["proven gain block_ap"]
    levels = [reuse(POLICY, comparison=k, **slight).significance for k in range(1, 400)]
    assert levels == sorted(levels, reverse=True)
    assert sum(levels) < POLICY.significance
    assert reuse(POLICY, comparison=9, **slight).left == pytest.approx(
        POLICY.significance - sum(levels[:9])
    )


@pytest.mark.parametrize("policy", [POLICY, STAY_FRESH, ONE_METRIC])
def test_the_smallest_difference_that_is_told_passes_with_the_stated_power(
    policy: GatePolicy,
) -> None:
    champion = measured(0.6, 0.8, 0.0)
    noise = {name: draws - draws[0] for name, draws in measured(0, 0, 0.03, seed=2).items()}
    challenger = {name: champion[name] + noise[name] for name in champion}
    facts = {"challenger": challenger, "champion": champion, "comparison": 4}
    for told in decide(policy, evidence(**facts)).compared:
        # A model with this difference in one metric; the other metric decides nothing.
        other = 1.0 if policy is STAY_FRESH else 0.0
        passed = 0
        assert told.smallest is not None
        for draw in np.random.default_rng(3).normal(told.smallest, noise[told.metric].std(), 500):
            shown = {name: noise[name] + other for name in noise} | {
                told.metric: noise[told.metric] + draw
            }
            zero = {name: np.zeros(2001) for name in noise}
            found = decide(policy, evidence(challenger=shown, champion=zero, comparison=5))
            kinds = {check.kind for check in found.failed}
            passed += not kinds & {CheckKind.PROVEN_GAIN, CheckKind.AS_GOOD}
        assert passed / 500 == pytest.approx(policy.power, abs=0.04)


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


@pytest.mark.parametrize(("blocks", "names"), [(8, ["segment complete blocks"]), (7, [])])
def test_complete_blocks_that_are_provably_worse_refuse_a_model_if_they_are_enough(
    blocks: int, names: list[str]
) -> None:
    worse = Segment("complete blocks", 69, samples(0.5), samples(0.7), blocks=blocks)
    assert failed(segments=[worse]) == names
    (told,) = decide(POLICY, evidence(segments=[worse])).segments
    assert told.guarded == bool(names)


def test_a_gain_in_complete_blocks_is_one_of_the_policys_metrics_where_there_are_some() -> None:
    three = POLICY.model_copy(update={"metrics": [*POLICY.metrics, COMPLETE_BLOCK_AP]})
    alike = measured(0.6, 0.8)
    with_blocks = {
        "challenger": alike | {COMPLETE_BLOCK_AP: samples(0.8)},
        "champion": alike | {COMPLETE_BLOCK_AP: samples(0.6, seed=1)},
    }
    assert failed(three, **with_blocks) == []
    decision = decide(three, evidence(**with_blocks))
    (gained,) = (one for one in decision.compared if one.bound and one.bound > 0)
    assert gained.metric == COMPLETE_BLOCK_AP
    assert gained.level == pytest.approx(spendable(0.05, 1) / 3)  # the first of three, after Holm
    lost = {"challenger": with_blocks["champion"], "champion": with_blocks["challenger"]}
    assert f"not worse {COMPLETE_BLOCK_AP}" in failed(three, **lost)
    without = decide(three, evidence())  # a test split without complete blocks
    assert without.passed and [one.metric for one in without.compared] == POLICY.metrics


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


MOVES = ImpactSummary(
    1000, 80, 3, 2, 30, 10, 301, catalogue="version 4 of the catalogue shop", violations=1
)


def test_a_candidate_that_would_move_too_many_products_is_refused_or_reported() -> None:
    assert failed(impact=MOVES) == ["impact"]
    assert failed(impact=replace(MOVES, moved=300)) == []  # as many as the policy allows
    decision = decide(POLICY, evidence(impact=MOVES))
    assert sentences(decision) == [
        "Too many products would move: 30.1 %; at most 30.0 % is allowed"
    ]
    assert decision.retriable  # the catalogue may be grouped otherwise then
    told = POLICY.model_copy(update={"impact": POLICY.impact.model_copy(update={"mode": "report"})})
    reported = decide(told, evidence(impact=MOVES))
    assert reported.passed
    for one in (decision, reported):
        assert Decision.from_json(json.loads(json.dumps(one.to_json()))) == one
        assert plain(impact_words(MOVES)) in decision_page(one)
    words = impact_words(MOVES)
    assert "30.1 % of 1,000 products would move: 80 groups kept, 3 merged, 2 split" in words
    assert "1 correction would be violated by the challenger alone" in words
    before = {name: value for name, value in reported.to_json().items() if name != "impact"}
    assert Decision.from_json(before).impact is None
    assert "would move" not in decision_page(Decision.from_json(before))


def test_a_dry_run_tells_the_same_verdict() -> None:
    worse = evidence(champion=measured(0.8, 0.9))
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
    assert decide(POLICY, evidence(champion=measured(0.8, 0.9))).retriable is False


def test_a_refusal_says_in_sentences_what_was_measured_and_what_was_needed() -> None:
    worse = Segment("gender Men", 94, samples(0.5), samples(0.6))
    slow = Serving(None, [], 0.01, 600, 201)
    changes = {"challenger": measured(0.29, 0.8), "champion": measured(0.31, 0.801)}
    facts = evidence(**changes, segments=[worse], serving=slow, dirty=True)
    wanted = [
        "Made from uncommitted changes",
        "Below the floor: block_ap is 0.290; at least 0.300 would have been needed",
        "Not above the baseline gray: block_ap is 0.290; at least 0.400 would have been needed",
        "No proven gain: the difference in block_ap is −0.020; more than 0.000 or the difference "
        "in mean_ap is −0.001; more than 0.000 would have been needed on these test pairs",
        "Provably worse: block_ap is lower by at least 0.020; at most 0.010 is allowed",
        "Provably worse on gender Men: block AP is lower by at least 0.100; at most 0.000",
        "Too large: its files take 201 MB; at most 200 MB are allowed",
        "Other embeddings are served than were recorded: they differ by up to 0.01; at most 0.001",
        "Too slow: a product takes 600 ms over HTTP; at most 500 ms",
    ]
    for sentence, words in zip(sentences(decide(POLICY, facts)), wanted, strict=True):
        assert sentence.startswith(words)
    found = sentences(decide(STAY_FRESH, evidence(champion=measured(0.76, 0.8))))
    assert found == [
        "Not proven to be as good: the difference in block_ap is −0.060; more than −0.050 would "
        "have been needed"
    ]


@pytest.mark.parametrize("policy", [ONE_METRIC, STAY_FRESH])
def test_what_is_not_proven_names_the_difference_that_would_have_been(policy: GatePolicy) -> None:
    champion = measured(0.6, 0.8, 0.05, seed=1)
    decision = decide(policy, evidence(challenger=measured(0.61, 0.9), champion=champion))
    (words,) = sentences(decision)
    assert outcome(decision) == f"refused. {words}"
    found = re.search(r"block_ap is 0\.010; more than ([0-9.]+) would", words)
    assert found
    for more, passed in ((0.001, True), (-0.001, False)):
        challenger = measured(0.6 + float(found[1]) + more, 0.9)
        again = decide(policy, evidence(challenger=challenger, champion=champion))
        assert again.passed == passed


def test_the_page_of_a_decision_shows_every_metric_with_its_bound_and_what_is_provable() -> None:
    decision = decide(STAY_FRESH, evidence(champion=measured(0.69, 0.84, 0.03, seed=1)))
    page = decision_page(decision)
    for one in decision.compared:
        cells = [with_interval(one.challenger), with_interval(one.champion or {})]
        cells += [with_interval(one.difference or {}), number(one.bound), "0.025"]
        assert f"| {one.metric} | {' | '.join(cells)} |" in page
        assert f"{one.metric} {number(one.smallest)}" in page.partition("is this or more: ")[2]


def test_a_decision_from_when_one_metric_decided_is_read() -> None:
    before = json.loads((ROOT / "tests/data/decision_of_one_metric.json").read_text())
    decision = Decision.from_json(before)
    (one,) = decision.compared
    assert (one.metric, one.difference) == ("block_ap", before["difference"])
    assert decision.verdict == "refused"
    assert outcome(decision) == (
        "refused. No gain: the difference in block_ap to the champion is −0.051; more than 0.000 "
        "would have been needed. No proven gain: the difference in block_ap is −0.051; more than "
        "0.079 would have been needed on these test pairs"
    )
    assert "comparison 2 on these test pairs" in decision_page(decision)
    assert Decision.from_json(decision.to_json()) == decision


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
        ({"metrics": ["beauty"]}, "gate.metrics"),
        ({"metrics": []}, "gate.metrics"),
        ({"metrics": ["ari", "ari"]}, "gate.metrics"),
        ({"metrics": ["block_ap_complete", "block_ap"]}, "must begin with another metric"),
        ({"metrics": ["block_ap", "block_ap_complete"]}, "margins lacks block_ap_complete"),
        ({"metrics": ["ari"]}, "policies.stay-fresh.margins lacks ari"),
        ({"policy": "hope"}, "gate.policy"),
        ({"metric": "block_ap"}, "gate.metric"),
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
