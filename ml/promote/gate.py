"""The gate: may this model replace the champion? The evidence is held against the policy."""

import numpy as np
from scipy.stats import norm

from ml.evaluate.bootstrap import interval, spread
from ml.promote.alpha_spending import spendable, unspent
from ml.promote.decision import Check, CheckKind, Decision, Reuse, SegmentDifference
from ml.promote.evidence import Evidence, Segment, Serving
from ml.promote.policy import GatePolicy, SegmentPolicy, ServingPolicy


def decide(policy: GatePolicy, evidence: Evidence) -> Decision:
    """Holds the evidence against the policy; every check that can be made is made."""
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
    )


def lower_bound(difference: np.ndarray, significance: float) -> float:
    """Computes the value that the true difference exceeds, but for a chance of `significance`.

    Args:
        difference: float (1 + resamples,), the sample's own first.

    Returns:
        Value less z standard deviations of the bootstrap (Davison and Hinkley 1997, section 5.2):
        percentiles of a few thousand resamples say nothing of the small levels that are left after
        some comparisons.
    """
    return float(difference[0] - norm.isf(significance) * spread(difference))


def _eligible(evidence: Evidence) -> list[Check]:
    words = "it was made from a commit, without uncommitted changes"
    reason = evidence.reason
    return [
        Check(CheckKind.COMMITTED, not evidence.dirty, words),
        Check(CheckKind.EVALUABLE, reason is None, reason or "annotated pairs judge it"),
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
    more = f"{policy.metric} is more than {policy.min_gain:+g} against the champion"
    proven = (
        f"the lower bound of that difference at level {level:.2g}, which is what comparison "
        f"{comparison} on these test pairs may use, is above {least:g}"
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
    """Checks every segment with enough pairs: it must not be provably worse.

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
            f"more than {policy.margin:g}"
        )
        checks.append(Check(CheckKind.SEGMENT, high >= least, words, high, least, one.name))
    return checks


def _served(policy: ServingPolicy, serving: Serving) -> list[Check]:
    answers = serving.problem or "it answers over HTTP, in a process of its own"
    pinned = "; ".join(serving.differing) or "the versions that it is pinned to are installed"
    size = serving.megabytes
    checks = [
        Check(CheckKind.SERVES, serving.problem is None, answers),
        Check(CheckKind.PINNED_VERSIONS, not serving.differing, pinned),
        Check(CheckKind.SIZE, size <= policy.size, "megabytes of its files", size, policy.size),
    ]
    if serving.difference is not None:
        words = "largest difference of the canaries' embeddings to those recorded at evaluation"
        value, limit = serving.difference, policy.tolerance
        checks.append(Check(CheckKind.SAME_EMBEDDINGS, value <= limit, words, value, limit))
    if serving.milliseconds is not None:
        words = "milliseconds a product, over HTTP"
        value, limit = serving.milliseconds, policy.latency
        checks.append(Check(CheckKind.LATENCY, value <= limit, words, value, limit))
    return checks
