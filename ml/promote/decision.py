"""The gate's decision: every check with its value and threshold, and its form in JSON."""

from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from ml.evaluate.metric_words import Interval
from ml.promote.impact import ImpactSummary


class CheckKind(StrEnum):
    """What a check is about; the value is its name for people."""

    COMMITTED = "committed"
    EVALUABLE = "evaluable"
    FLOOR = "floor"
    ABOVE = "above"  # a baseline
    PROVEN_GAIN = "proven gain"
    NOT_WORSE = "not worse"  # not provably
    AS_GOOD = "as good"  # proven to be, but for the margin
    GAIN = "gain"  # this and the next: in decisions from when one metric decided
    SIGNIFICANT = "significant"
    SEGMENT = "segment"
    SERVES = "serves"
    PINNED_VERSIONS = "pinned versions"
    SIZE = "size"
    SAME_EMBEDDINGS = "same embeddings served"
    LATENCY = "latency"
    IMPACT = "impact"


RETRIABLE = {  # checks that may pass at another time or on another machine
    CheckKind.SERVES,
    CheckKind.PINNED_VERSIONS,
    CheckKind.SAME_EMBEDDINGS,
    CheckKind.LATENCY,
    CheckKind.IMPACT,  # on the catalogue as it is grouped then
}


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes:
        kind: what the check is about.
        passed: whether the condition holds.
        words: the condition in words, or the reason why it does not hold.
        value, threshold: the measured value and its limit; None where nothing is measured.
        about: name of the baseline, metric or segment of the check; empty if there is none.
    """

    kind: CheckKind
    passed: bool
    words: str
    value: float | None = None
    threshold: float | None = None
    about: str = ""

    @property
    def name(self) -> str:
        """The name for people, such as "above gray"."""
        return f"{self.kind} {self.about}".rstrip()


@dataclass(frozen=True)
class Reuse:
    """How much of the significance level these test pairs have left.

    Attributes:
        comparison: 1-based index of this comparison with a champion on these pairs.
        significance: the level that this comparison used.
        left: the level that is left for all later comparisons together.
        power: the probability that the next comparison passes a model whose true difference is
            `MetricComparison.smallest`.
    """

    comparison: int
    significance: float
    left: float
    power: float


@dataclass(frozen=True)
class MetricComparison:
    """A metric of the policy on the test pairs.

    Attributes:
        metric: its name.
        challenger: of the challenger, with its interval.
        champion: of the champion; None without a comparison, as are those below.
        difference: challenger minus champion, with its interval.
        level: the part of the comparison's significance that this metric was tested at.
        bound: the lower bound of the difference at this level.
        smallest: the smallest true difference that the next comparison passes with the stated power
            as far as this metric goes; below 0 where the policy has a margin.
    """

    metric: str
    challenger: Interval
    champion: Interval | None = None
    difference: Interval | None = None
    level: float | None = None
    bound: float | None = None
    smallest: float | None = None


@dataclass(frozen=True)
class SegmentDifference:
    """The difference of challenger and champion on a segment of the test pairs.

    Attributes:
        name: such as "gender Men", see `ml.evaluate.segments.segments`.
        positives: number of pairs of variants in the segment.
        guarded: whether these are enough for a check.
        difference: block AP of the challenger minus that of the champion.
    """

    name: str
    positives: int
    guarded: bool
    difference: Interval


@dataclass(frozen=True)
class Decision:
    """The outcome of the gate. A decision passes if every check passes, in either mode.

    Attributes:
        mode: "enforce" or "dry-run".
        checks: in the order in which they were made.
        metrics: those of the policy, in its order; empty where nothing could be measured.
        reuse: None without a comparison.
        segments: of the comparison with the champion.
        challenger_model, champion_model: URIs in the registry; None where there is no model.
        policy: the section `gate` of the policy that decided.
        proves, favoured: see `Evidence`; empty in decisions from before there was a choice.
        impact: see `Evidence`; None in decisions from before it was measured.
    """

    mode: str
    checks: tuple[Check, ...]
    metrics: tuple[MetricComparison, ...]
    reuse: Reuse | None
    segments: tuple[SegmentDifference, ...]
    challenger_model: str | None
    champion_model: str | None
    policy: dict[str, Any]
    proves: str = ""
    favoured: str = ""
    impact: ImpactSummary | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def compared(self) -> tuple[MetricComparison, ...]:
        """The metrics by which the challenger was compared with a champion."""
        return tuple(one for one in self.metrics if one.difference is not None)

    @property
    def verdict(self) -> str:
        """ "passed" or "refused"."""
        return "passed" if self.passed else "refused"

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that did not pass."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def retriable(self) -> bool:
        """Whether a check failed that may pass at another time or on another machine."""
        return any(check.kind in RETRIABLE for check in self.failed)

    def to_json(self) -> dict[str, Any]:
        """Returns the content of gate/decision.json, with `passed` and the checks' names."""
        checks = [{"name": check.name, **asdict(check)} for check in self.checks]
        return {"passed": self.passed, **asdict(self), "checks": checks}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Decision":
        """Reads what `to_json` wrote, and decisions from when one metric decided.

        Entries that are no part of a decision, such as the hashes of the files that it was about,
        are passed over.

        Raises:
            KeyError, TypeError, ValueError: the content is no decision.
        """
        if "metric" in content:
            content = _of_one_metric(content)
        content = {one.name: content[one.name] for one in fields(cls) if one.name in content}
        checks = tuple(
            Check(**{**check, "kind": CheckKind(check["kind"])})
            for check in (
                {k: v for k, v in one.items() if k != "name"} for one in content["checks"]
            )
        )
        segments = tuple(SegmentDifference(**one) for one in content["segments"])
        reuse = Reuse(**content["reuse"]) if content["reuse"] else None
        metrics = tuple(MetricComparison(**one) for one in content["metrics"])
        impact = ImpactSummary(**content["impact"]) if content.get("impact") else None
        read = {"checks": checks, "segments": segments, "reuse": reuse, "metrics": metrics}
        return cls(**{**content, **read, "impact": impact})


def _of_one_metric(content: dict[str, Any]) -> dict[str, Any]:
    """Returns a decision from when one metric decided in the form of today."""
    content, reuse = dict(content), dict(content["reuse"] or {})
    proven = [one for one in content["checks"] if one["kind"] == CheckKind.SIGNIFICANT]
    found = {
        "metric": content.pop("metric"),
        **{name: content.pop(name) for name in ("challenger", "champion", "difference")},
        "level": reuse.get("significance"),
        "bound": proven[0]["value"] if proven else None,
        "smallest": reuse.pop("smallest_gain", None),
    }
    metrics = [found] if found["challenger"] else []
    return {**content, "reuse": reuse or None, "metrics": metrics}
