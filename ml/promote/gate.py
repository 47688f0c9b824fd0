"""The gate: it compares the evidence with the policy and decides about a promotion."""

from typing import NamedTuple

import numpy as np
from scipy.stats import norm

from ml.evaluate.bootstrap import interval, spread
from ml.promote.alpha_spending import spendable, unspent
from ml.promote.decision import (
    Check,
    CheckKind,
    Decision,
    MetricComparison,
    Reuse,
    SegmentDifference,
)
from ml.promote.evidence import Evidence, Segment, Serving
from ml.promote.impact import ImpactSummary
from ml.promote.multiplicity import holm_levels
from ml.promote.policy import (
    STAY_FRESH,
    GatePolicy,
    ImpactPolicy,
    SegmentPolicy,
    ServingPolicy,
)
from ml.promote.words import number

TINY = 1e-12  # a spread to divide by where all resamples agree


def decide(policy: GatePolicy, evidence: Evidence) -> Decision:
    """Compares the evidence with the policy; it makes every check that the evidence allows."""
    challenger, champion = evidence.challenger, evidence.champion
    checks, compared, reuse = _eligible(evidence), dict[str, _Compared](), None
    names = [name for name in policy.metrics if name in (challenger or {})]
    if challenger is not None:
        checks += _above_floors(policy, challenger, evidence.baselines)
    if challenger is not None and champion is not None:
        differences = {name: challenger[name] - champion[name] for name in names}
        rule = _as_good if policy.policy == STAY_FRESH and evidence.fresh else _proven_gain
        found, compared = rule(policy, differences, evidence.comparison)
        checks += found + _no_segment_worse(policy.segments, evidence.segments)
        reuse = _reuse(policy, evidence.comparison)
    if evidence.serving is not None:
        checks += _served(policy.serving, evidence.serving)
    if evidence.impact is not None and policy.impact.mode == "enforce":
        checks.append(_few_products_move(policy.impact, evidence.impact))
    return Decision(
        mode=policy.mode,
        checks=tuple(checks),
        metrics=tuple(_of_metric(name, evidence, compared.get(name)) for name in names),
        reuse=reuse,
        segments=tuple(
            _difference(policy.segments, one) for one in (evidence.segments if reuse else [])
        ),
        challenger_model=evidence.challenger_model,
        champion_model=evidence.champion_model,
        policy=policy.model_dump(),
        proves=evidence.proves,
        favoured=evidence.favoured,
        impact=evidence.impact,
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


def _above_floors(
    policy: GatePolicy, challenger: dict[str, np.ndarray], baselines: dict[str, float]
) -> list[Check]:
    metric, floor = policy.metrics[0], policy.floor
    value = float(challenger[metric][0])
    words = f"{metric} is at least the floor"
    checks = [Check(CheckKind.FLOOR, value >= floor, words, value, floor)]
    for name in policy.baselines:
        least = baselines[name] + policy.baseline_gain
        words = f"{metric} is at least that of the baseline '{name}'"
        checks.append(Check(CheckKind.ABOVE, value >= least, words, value, least, name))
    return checks


class _Compared(NamedTuple):
    """How a metric was tested; see `MetricComparison`."""

    level: float
    bound: float
    smallest: float


def _proven_gain(
    policy: GatePolicy, differences: dict[str, np.ndarray], comparison: int
) -> tuple[list[Check], dict[str, _Compared]]:
    """Checks that a gain is proven in one metric, and that no metric is provably worse."""
    level, rule = spendable(policy.significance, comparison), policy.policies.prove_gain
    count = len(differences)

    def deviations(name: str) -> float:  # by which the gain is above the least one
        difference = differences[name]
        return float(difference[0] - rule.min_gain) / max(spread(difference), TINY)

    convincing = sorted(differences, key=deviations, reverse=True)

    def proven(name: str, share: float) -> bool:
        return lower_bound(differences[name], share) > rule.min_gain

    levels = holm_levels(convincing, level, proven)
    compared = {
        name: _Compared(
            share := levels[name],
            lower_bound(differences[name], share),
            _detected(policy, differences[name], comparison, count) + rule.min_gain,
        )
        for name in differences
    }
    first = convincing[0]
    bound = compared[first].bound
    part = "the part" if count == 1 else f"1/{count} of the part"
    words = (
        f"the lower bound of the difference in {first} to the champion at level "
        f"{levels[first]:.2g}, {part} for comparison {comparison} on these test pairs, is above "
        f"{number(rule.min_gain)}"
    )
    if policy.policy == STAY_FRESH:
        words += "; the champion was trained on the same snapshot, so that a gain must be proven"
    passed = bound > rule.min_gain
    checks = [Check(CheckKind.PROVEN_GAIN, passed, words, bound, rule.min_gain, first)]
    least = 0 - rule.margin  # not -0.0
    for name in differences:
        high = -lower_bound(-differences[name], policy.significance / count)
        words = f"{name} is not provably worse by more than {number(rule.margin)}"
        checks.append(Check(CheckKind.NOT_WORSE, high >= least, words, high, least, name))
    return checks, compared


def _as_good(
    policy: GatePolicy, differences: dict[str, np.ndarray], comparison: int
) -> tuple[list[Check], dict[str, _Compared]]:
    """Checks that no metric is worse than the champion's by more than its margin.

    All metrics must be proven, so that each has the whole level (Berger, "Multiparameter hypothesis
    testing and acceptance sampling", Technometrics 24, 1982).
    """
    level, checks, compared = spendable(policy.significance, comparison), [], {}
    for name, difference in differences.items():
        least = 0 - policy.policies.stay_fresh.margins[name]
        bound = lower_bound(difference, level)
        smallest = _detected(policy, difference, comparison, 1) + least
        compared[name] = _Compared(level, bound, smallest)
        words = (
            f"the lower bound of the difference in {name} to the champion at level {level:.2g}, "
            f"the part for comparison {comparison} on these test pairs, is above {number(least)}"
        )
        checks.append(Check(CheckKind.AS_GOOD, bound > least, words, bound, least, name))
    return checks, compared


def _detected(policy: GatePolicy, difference: np.ndarray, comparison: int, metrics: int) -> float:
    """The distance to a limit that the next comparison proves with the policy's power."""
    following = spendable(policy.significance, comparison + 1) / metrics
    return float((norm.isf(following) + norm.ppf(policy.power)) * spread(difference))


def _reuse(policy: GatePolicy, comparison: int) -> Reuse:
    return Reuse(
        comparison=comparison,
        significance=spendable(policy.significance, comparison),
        left=unspent(policy.significance, comparison),
        power=policy.power,
    )


def _of_metric(name: str, evidence: Evidence, tested: _Compared | None) -> MetricComparison:
    challenger, champion = evidence.challenger, evidence.champion
    assert challenger is not None
    if champion is None or tested is None:
        return MetricComparison(name, interval(challenger[name]))
    one, other = challenger[name], champion[name]
    return MetricComparison(name, interval(one), interval(other), interval(one - other), *tested)


def _difference(policy: SegmentPolicy, segment: Segment) -> SegmentDifference:
    found = interval(segment.challenger - segment.champion)
    return SegmentDifference(segment.name, segment.positives, _guarded(policy, segment), found)


def _guarded(policy: SegmentPolicy, segment: Segment) -> bool:
    """Whether a segment is checked: its bootstrap would know too little of a few pairs or blocks.

    With few clusters a bootstrap of clusters finds intervals too narrow (Cameron, Gelbach and
    Miller, "Bootstrap-based improvements for inference with clustered errors", 2008).
    """
    enough = segment.blocks is None or segment.blocks >= policy.blocks
    return enough and segment.positives >= policy.pairs


def _no_segment_worse(policy: SegmentPolicy, segments: list[Segment]) -> list[Check]:
    """Checks that no segment with enough pairs is provably worse.

    The level is divided by the number of these checks (Bonferroni), so that many segments raise no
    more false alarms than one.
    """
    guarded = [one for one in segments if _guarded(policy, one)]
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


def _few_products_move(policy: ImpactPolicy, impact: ImpactSummary) -> Check:
    share, limit = impact.share, policy.largest_share
    words = f"share of the products of {impact.catalogue} that would move to another group"
    return Check(CheckKind.IMPACT, share <= limit, words, share, limit)
