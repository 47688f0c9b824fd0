"""The gate: it compares the evidence with the policy and decides about a promotion."""

import numpy as np
from scipy.stats import norm

from ml.evaluate.bootstrap import interval, spread
from ml.promote.alpha_spending import spendable, unspent
from ml.promote.decision import Check, CheckKind, Decision, Reuse, SegmentDifference
from ml.promote.evidence import Evidence, Segment, Serving
from ml.promote.policy import GatePolicy, SegmentPolicy, ServingPolicy
from ml.promote.words import number


def decide(policy: GatePolicy, evidence: Evidence) -> Decision:
    """Compares the evidence with the policy; it makes every check that the evidence allows."""
    challenger, champion = evidence.challenger, evidence.champion
    checks = _eligible(evidence)
    difference = None if challenger is None or champion is None else challenger - champion
    if challenger is not None:
        checks += _above_floors(policy, float(challenger[0]), evidence.baselines)
    if difference is not None:
        checks += _against_champion(policy, difference, evidence.comparison)
        checks += _no_segment_worse(policy.segments, evidence.segments)
    if evidence.serving is not None:
        checks += _served(policy.serving, evidence.serving)
    segments = [] if difference is None else evidence.segments
    return Decision(
        mode=policy.mode,
        metric=policy.metric,
        checks=tuple(checks),
        challenger=None if challenger is None else interval(challenger),
        champion=None if difference is None or champion is None else interval(champion),
        difference=None if difference is None else interval(difference),
        reuse=None if difference is None else _reuse(policy, difference, evidence.comparison),
        segments=tuple(_difference(policy.segments, one) for one in segments),
        challenger_model=evidence.challenger_model,
        champion_model=evidence.champion_model,
        policy=policy.model_dump(),
        proves=evidence.proves,
        favoured=evidence.favoured,
    )


def lower_bound(difference: np.ndarray, significance: float) -> float:
    """Computes a one-sided lower confidence bound of the true difference.

    The bound is the value minus z standard deviations of the bootstrap (Davison and Hinkley 1997,
    section 5.2). It is not a percentile, because a few thousand resamples do not resolve the small
    levels that are left after some comparisons.

    Args:
        difference: float (1 + resamples,), the value of the sample itself first.
        significance: the chance that the true difference is below the bound.
    """
    return float(difference[0] - norm.isf(significance) * spread(difference))


def _eligible(evidence: Evidence) -> list[Check]:
    committed = "it was made from a commit, without uncommitted changes"
    evaluable = evidence.reason or "dev and test split hold annotated pairs to evaluate it on"
    return [
        Check(CheckKind.COMMITTED, not evidence.dirty, committed),
        Check(CheckKind.EVALUABLE, evidence.reason is None, evaluable),
    ]


def _above_floors(policy: GatePolicy, value: float, baselines: dict[str, float]) -> list[Check]:
    metric, floor = policy.metric, policy.floor
    words = f"{metric} is at least the floor"
    checks = [Check(CheckKind.FLOOR, value >= floor, words, value, floor)]
    for name in policy.baselines:
        least = baselines[name] + policy.baseline_gain
        words = f"{metric} is at least that of the baseline '{name}'"
        checks.append(Check(CheckKind.ABOVE, value >= least, words, value, least, name))
    return checks


def _against_champion(policy: GatePolicy, difference: np.ndarray, comparison: int) -> list[Check]:
    gain, level = float(difference[0]), spendable(policy.significance, comparison)
    low, least = lower_bound(difference, level), 0 - policy.margin  # not -0.0
    more = f"{policy.metric} is more than {number(policy.min_gain)} above the champion's"
    proven = (
        f"the lower bound of that difference at level {level:.2g}, the part for comparison "
        f"{comparison} on these test pairs, is above {number(least)}"
    )
    return [
        Check(CheckKind.GAIN, gain > policy.min_gain, more, gain, policy.min_gain),
        Check(CheckKind.SIGNIFICANT, low > least, proven, low, least),
    ]


def _reuse(policy: GatePolicy, difference: np.ndarray, comparison: int) -> Reuse:
    following = spendable(policy.significance, comparison + 1)
    needed = (norm.isf(following) + norm.ppf(policy.power)) * spread(difference) - policy.margin
    return Reuse(
        comparison=comparison,
        significance=spendable(policy.significance, comparison),
        left=unspent(policy.significance, comparison),
        power=policy.power,
        smallest_gain=max(policy.min_gain, float(needed)),
    )


def _difference(policy: SegmentPolicy, segment: Segment) -> SegmentDifference:
    found = interval(segment.challenger - segment.champion)
    guarded = segment.positives >= policy.pairs
    return SegmentDifference(segment.name, segment.positives, guarded, found)


def _no_segment_worse(policy: SegmentPolicy, segments: list[Segment]) -> list[Check]:
    """Checks that no segment with enough pairs is provably worse.

    The level is divided by the number of these checks (Bonferroni), so that many segments raise no
    more false alarms than one.
    """
    guarded = [one for one in segments if one.positives >= policy.pairs]
    checks, least = [], 0 - policy.margin
    for one in guarded:
        worse = one.champion - one.challenger
        high = -lower_bound(worse, policy.significance / len(guarded))
        words = (
            f"block AP of {one.name} ({one.positives} pairs of variants) is not provably worse by "
            f"more than {number(policy.margin)}"
        )
        checks.append(Check(CheckKind.SEGMENT, high >= least, words, high, least, one.name))
    return checks


def _served(policy: ServingPolicy, serving: Serving) -> list[Check]:
    answers = serving.problem or "it answers over HTTP, in a process of its own"
    pinned = "; ".join(serving.differing) or "the versions that it is pinned to are installed"
    size, words = serving.megabytes, "size of its files in megabytes"
    checks = [
        Check(CheckKind.SERVES, serving.problem is None, answers),
        Check(CheckKind.PINNED_VERSIONS, not serving.differing, pinned),
        Check(CheckKind.SIZE, size <= policy.size, words, size, policy.size),
    ]
    if serving.difference is not None:
        words = "largest difference between served and recorded embeddings of the canary products"
        value, limit = serving.difference, policy.tolerance
        checks.append(Check(CheckKind.SAME_EMBEDDINGS, value <= limit, words, value, limit))
    if serving.milliseconds is not None:
        words = "milliseconds per product over HTTP"
        value, limit = serving.milliseconds, policy.latency
        checks.append(Check(CheckKind.LATENCY, value <= limit, words, value, limit))
    return checks
