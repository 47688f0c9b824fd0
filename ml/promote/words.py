"""The gate's decision in sentences: what failed, by how much, and what would have been needed."""

from ml.evaluate.metric_words import Interval
from ml.promote.decision import Check, CheckKind, Decision, MetricComparison
from ml.promote.impact import ImpactSummary


def number(value: float | None) -> str:
    """Writes a value with three decimals and a real minus sign; a dash if there is no value."""
    if value is None:
        return "–"
    text = f"{value:.3f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def with_interval(metric: Interval) -> str:
    """Writes a metric with its interval, such as "0.012 (−0.007 to 0.031)"."""
    if metric["value"] is None or metric["low"] is None:
        return number(metric["value"])
    return f"{number(metric['value'])} ({number(metric['low'])} to {number(metric['high'])})"


def share_words(share: float) -> str:
    """Writes a share in percent, such as "3.1 %"; what is not 0 never reads as 0."""
    return "less than 0.1 %" if 0 < share < 0.0005 else f"{share:.1%}".replace("%", " %")


def moved_words(impact: ImpactSummary) -> str:
    """Says how many products move, such as "3.1 % of 2,000 products"."""
    return f"{share_words(impact.share)} of {impact.products:,} products"


def would_move(impact: ImpactSummary) -> str:
    """Says which share of the products would move, and how much of it the next grouping would."""
    words = f"{moved_words(impact)} would move"
    if impact.at_once is None or not impact.products:
        return words
    return f"{words}, {share_words(impact.at_once / impact.products)} at the next grouping"


def impact_words(impact: ImpactSummary) -> str:
    """Says what a promotion would change, in a sentence without its full stop."""
    words = (
        f"{would_move(impact)}: "
        f"{impact.kept:,} groups kept, {impact.merged:,} merged, {impact.split:,} split; "
        f"{impact.joined:,} products join a group, {impact.left:,} leave theirs"
    )
    if impact.violations:
        noun = "correction" if impact.violations == 1 else "corrections"
        words += f"; {impact.violations:,} {noun} would be violated by the challenger alone"
    return f"{words} ({impact.catalogue})"


def gains(decision: Decision) -> str:
    """Writes the difference of each metric to the champion with its interval, in one line."""
    return "; ".join(
        f"{one.metric} {with_interval(one.difference)}"
        for one in decision.compared
        if one.difference
    )


def in_words(decision: Decision) -> str:
    """Says in one line what speaks for and against a candidate, by the gate's decision.

    Such as "better by 0.040 in block_ap, proven; no segment worse; 3.1 % of 2,000 products would
    move".
    """
    parts = [*sentences(decision), _comparison(decision)]
    segments = [check for check in decision.checks if check.kind == CheckKind.SEGMENT]
    if segments and all(check.passed for check in segments):
        parts.append("no segment worse")
    if decision.impact:
        parts.append(would_move(decision.impact))
    return "; ".join(filter(None, parts))


def _comparison(decision: Decision) -> str:
    """Says how a candidate compares with the champion; empty where a check says that it fails."""
    if not decision.metrics:
        return ""
    if not decision.compared:
        first = decision.metrics[0]
        return f"no champion to compare with, {first.metric} is {number(first.challenger['value'])}"
    decided = [check for check in decision.checks if check.kind in _AGAINST_CHAMPION]
    better = [one for one in decision.compared if one.bound is not None and one.bound > 0]
    if better:
        gained = " and ".join(
            f"{number((one.difference or {}).get('value'))} in {one.metric}" for one in better
        )
        return f"better by {gained}, proven"
    if all(check.passed for check in decided):
        differences = ", ".join(
            f"{one.metric} {signed((one.difference or {}).get('value'))}"
            for one in decision.compared
        )
        return f"as good as the champion within the policy's margins, proven ({differences})"
    return ""


def signed(value: float | None) -> str:
    """Writes a difference with its sign, such as "+0.012"."""
    text = number(value)
    return text if value is None or text.startswith("−") else f"+{text}"


def sentences(decision: Decision) -> list[str]:
    """Returns a sentence without its full stop for each check that failed."""
    return [_sentence(check, decision) for check in decision.failed]


def outcome(decision: Decision) -> str:
    """Returns the verdict and the sentences of the failed checks, in one line."""
    return ". ".join([decision.verdict, *sentences(decision)])


def _sentence(check: Check, decision: Decision) -> str:
    value, limit = check.value, check.threshold
    if value is None or limit is None:
        return f"{_HEADS[check.kind]}: {check.words}"
    match check.kind:
        case CheckKind.FLOOR | CheckKind.ABOVE:
            head, first = "Below the floor", decision.metrics[0].metric
            if check.about:
                head = f"Not above the baseline {check.about}"
            needed = f"at least {number(limit)} would have been needed"
            return f"{head}: {first} is {number(value)}; {needed}"
        case CheckKind.GAIN:
            return (
                f"No gain: the difference in {decision.metrics[0].metric} to the champion is "
                f"{number(value)}; more than {number(limit)} would have been needed"
            )
        case CheckKind.PROVEN_GAIN | CheckKind.SIGNIFICANT:
            needed = " or ".join(_needed(one, limit) for one in decision.compared)
            return f"No proven gain: {needed} would have been needed on these test pairs"
        case CheckKind.AS_GOOD:
            (found,) = (one for one in decision.compared if one.metric == check.about)
            return f"Not proven to be as good: {_needed(found, limit)} would have been needed"
        case CheckKind.NOT_WORSE:
            return (
                f"Provably worse: {check.about} is lower by at least {number(-value)}; at most "
                f"{number(-limit)} is allowed"
            )
        case CheckKind.SEGMENT:
            return (
                f"Provably worse on {check.about}: block AP is lower by at least {number(-value)}; "
                f"at most {number(-limit)} is allowed"
            )
        case CheckKind.SIZE:
            return f"Too large: its files take {value:.0f} MB; at most {limit:g} MB are allowed"
        case CheckKind.IMPACT:
            return (
                f"Too many products would move: {share_words(value)}; at most {share_words(limit)} "
                "is allowed"
            )
        case CheckKind.LATENCY:
            return f"Too slow: a product takes {value:.0f} ms over HTTP; at most {limit:g} ms"
    return (
        f"Other embeddings are served than were recorded: they differ by up to {value:.2g}; at "
        f"most {limit:g} is allowed"
    )


def _needed(one: MetricComparison, limit: float) -> str:
    """Writes a difference, and the one whose lower bound would have been the limit."""
    gain = one.difference["value"] if one.difference else None
    assert gain is not None and one.bound is not None  # else there was no such check
    return (
        f"the difference in {one.metric} is {number(gain)}; more than "
        f"{number(limit + gain - one.bound)}"
    )


_AGAINST_CHAMPION = {
    CheckKind.PROVEN_GAIN,
    CheckKind.NOT_WORSE,
    CheckKind.AS_GOOD,
    CheckKind.GAIN,
    CheckKind.SIGNIFICANT,
}
_HEADS = {
    CheckKind.COMMITTED: "Made from uncommitted changes, though this is required",
    CheckKind.EVALUABLE: "Not evaluable",
    CheckKind.SERVES: "Cannot be served",
    CheckKind.PINNED_VERSIONS: "Other versions are installed than it is pinned to",
}
