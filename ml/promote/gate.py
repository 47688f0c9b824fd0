"""The gate: may this model replace the champion? A policy, the evidence, and a decision with every check's figure."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.stats import norm

from ml.evaluate.bootstrap import interval, spread
from ml.promote.alpha_spending import spendable, unspent
from ml.promote.policy import GatePolicy, SegmentPolicy, ServingPolicy


@dataclass(frozen=True)
class Segment:
    """Both models on a part of the test pairs.

    Attributes:
        positives: pairs of variants in it.
        challenger, champion: float (1 + resamples,), block AP for paired resamples, the sample
            itself first.
    """

    name: str
    positives: int
    challenger: np.ndarray
    champion: np.ndarray


@dataclass(frozen=True)
class Serving:
    """How a candidate did when it was served over HTTP.

    Attributes:
        problem: why it could not be, or None.
        differing: of its pinned requirements, those that are not installed in this version, in
            words.
        difference: largest difference of a number of the canaries' embeddings to what was recorded
            at evaluation.
        milliseconds: that one product takes, the median over requests.
        megabytes: of the model's files.
    """

    problem: str | None
    differing: list[str]
    difference: float | None
    milliseconds: float | None
    megabytes: float


@dataclass(frozen=True)
class Evidence:
    """What the gate knows of a challenger.

    Attributes:
        dirty: whether it was made from uncommitted changes.
        reason: why it could not be evaluated, or None.
        challenger, champion: float (1 + resamples,), the policy's metric for paired resamples of
            the same test pairs, the sample itself first; None where not evaluable or where there is
            no champion.
        baselines: name → value of the metric on those pairs.
        comparison: the how-manieth comparison with a champion this is on these test pairs, from 1.
        segments: parts of the catalogue, where there is a champion.
        serving: None where the policy asks for no canaries.
    """

    dirty: bool
    reason: str | None
    challenger: np.ndarray | None
    champion: np.ndarray | None
    baselines: dict[str, float]
    comparison: int = 1
    segments: list[Segment] = field(default_factory=list)
    serving: Serving | None = None


SERVED = {
    "serves",
    "pinned versions",
    "serves alike",
    "latency",
}  # checks that another time or machine may pass


def decide(policy: GatePolicy, evidence: Evidence) -> dict[str, Any]:
    """Holds the evidence against the policy.

    Returns:
        {"passed", "mode", "metric", "checks": [{"name", "passed", "figure", "threshold", "words"}],
        "challenger", "champion", "difference", "reuse", "segments"}; challenger, champion and
        difference are {"value", "low", "high"} or None, `reuse` is None without a champion (see
        `_reuse`). It passes if every check does, whatever the mode.
    """
    metric = policy.metric
    checks = [
        _check(
            "committed",
            not evidence.dirty,
            None,
            None,
            "it was made from a commit, without uncommitted changes",
        ),
        _check(
            "evaluable",
            evidence.reason is None,
            None,
            None,
            evidence.reason or "annotated pairs judge it",
        ),
    ]
    decision: dict[str, Any] = {"mode": policy.mode, "metric": metric}
    decision |= {
        "challenger": None,
        "champion": None,
        "difference": None,
        "reuse": None,
        "segments": [],
    }
    if evidence.challenger is not None:
        value = float(evidence.challenger[0])
        decision["challenger"] = interval(evidence.challenger)
        checks.append(
            _check(
                "floor",
                value >= policy.floor,
                value,
                policy.floor,
                f"{metric} is at least the floor",
            )
        )
        for name in policy.baselines:
            least = evidence.baselines[name] + policy.baseline_gain
            words = f"{metric} is at least that of the baseline '{name}'"
            checks.append(_check(f"above {name}", value >= least, value, least, words))
        if evidence.champion is not None:
            difference = evidence.challenger - evidence.champion
            decision["champion"], decision["difference"] = (
                interval(evidence.champion),
                interval(difference),
            )
            decision["reuse"] = _reuse(policy, difference, evidence.comparison)
            checks += _against_champion(policy, difference, evidence.comparison)
            decision["segments"], guards = _guards(policy.segments, evidence.segments)
            checks += guards
    if evidence.serving is not None:
        checks += _served(policy.serving, evidence.serving)
    return {"passed": all(check["passed"] for check in checks), **decision, "checks": checks}


def lower_bound(difference: np.ndarray, significance: float) -> float:
    """The value that the true difference exceeds, but for a chance of `significance`.

    Args:
        difference: float (1 + resamples,), the sample's own first.

    Returns:
        Value less z standard deviations of the bootstrap (Davison and Hinkley 1997, section 5.2):
        percentiles of a few thousand resamples know nothing of the small levels that are left after
        some comparisons.
    """
    return float(difference[0] - norm.isf(significance) * spread(difference))


def _against_champion(
    policy: GatePolicy, difference: np.ndarray, comparison: int
) -> list[dict[str, Any]]:
    gain, level = float(difference[0]), spendable(policy.significance, comparison)
    low, least = lower_bound(difference, level), 0 - policy.margin  # not -0.0
    return [
        _check(
            "gain",
            gain > policy.min_gain,
            gain,
            policy.min_gain,
            f"{policy.metric} is more than {policy.min_gain:+g} against the champion",
        ),
        _check(
            "not luck",
            low > least,
            low,
            least,
            f"the lower bound of that difference at level {level:.2g}, which is what comparison {comparison} on these test "
            f"pairs may use, is above {least:g}",
        ),
    ]


def _reuse(policy: GatePolicy, difference: np.ndarray, comparison: int) -> dict[str, Any]:
    """What is left of the significance level, and the smallest gain that the next comparison can prove.

    Returns:
        {"comparison", "significance": of this one, "left": for all later ones together, "power",
        "smallest_gain": a true gain that the next comparison finds with that power}.
    """
    following = spendable(policy.significance, comparison + 1)
    needed = (norm.isf(following) + norm.ppf(policy.power)) * spread(difference) - policy.margin
    return {
        "comparison": comparison,
        "significance": spendable(policy.significance, comparison),
        "left": unspent(policy.significance, comparison),
        "power": policy.power,
        "smallest_gain": max(policy.min_gain, float(needed)),
    }


def _guards(
    policy: SegmentPolicy, segments: list[Segment]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Every segment's difference, and a check for those with enough pairs: it must not be provably worse.

    The level is divided by the number of these checks (Bonferroni), so that many segments raise no
    more false alarms than one.
    """
    guarded = [one.positives >= policy.pairs for one in segments]
    told, checks = [], []
    for one, guards in zip(segments, guarded, strict=True):
        difference = one.challenger - one.champion
        told.append(
            {
                "name": one.name,
                "positives": one.positives,
                "guarded": guards,
                **interval(difference),
            }
        )
        if guards:
            high = -lower_bound(-difference, policy.significance / sum(guarded))
            words = f"block AP of {one.name} ({one.positives} pairs of variants) is not provably worse by more than {policy.margin:g}"
            checks.append(
                _check(
                    f"segment {one.name}", high >= 0 - policy.margin, high, 0 - policy.margin, words
                )
            )
    return told, checks


def _served(policy: ServingPolicy, serving: Serving) -> list[dict[str, Any]]:
    words = "it answers over HTTP, in a process of its own"
    pinned = "the versions that it is pinned to are installed"
    checks = [
        _check("serves", serving.problem is None, None, None, serving.problem or words),
        _check(
            "pinned versions",
            not serving.differing,
            None,
            None,
            "; ".join(serving.differing) or pinned,
        ),
        _check(
            "size",
            serving.megabytes <= policy.size,
            serving.megabytes,
            policy.size,
            "megabytes of its files",
        ),
    ]
    if serving.difference is not None:
        words = "largest difference of the canaries' embeddings to those recorded at evaluation"
        alike = serving.difference <= policy.tolerance
        checks.append(_check("serves alike", alike, serving.difference, policy.tolerance, words))
    if serving.milliseconds is not None:
        quick = serving.milliseconds <= policy.latency
        checks.append(
            _check(
                "latency",
                quick,
                serving.milliseconds,
                policy.latency,
                "milliseconds a product, over HTTP",
            )
        )
    return checks


def _check(
    name: str, passed: bool, figure: float | None, threshold: float | None, words: str
) -> dict[str, Any]:
    return {
        "name": name,
        "passed": bool(passed),
        "figure": figure,
        "threshold": threshold,
        "words": words,
    }
