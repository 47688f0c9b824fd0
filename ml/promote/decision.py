"""The gate's decision: every check with its value and threshold, and its form in JSON."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ml.evaluate.metric_words import Interval


class CheckKind(StrEnum):
    """What a check is about; the value is its name for people."""

    COMMITTED = "committed"
    EVALUABLE = "evaluable"
    FLOOR = "floor"
    ABOVE = "above"  # a baseline
    GAIN = "gain"
    SIGNIFICANT = "significant"
    SEGMENT = "segment"
    SERVES = "serves"
    PINNED_VERSIONS = "pinned versions"
    SIZE = "size"
    SAME_EMBEDDINGS = "same embeddings served"
    LATENCY = "latency"


RETRIABLE = {  # checks that may pass at another time or on another machine
    CheckKind.SERVES,
    CheckKind.PINNED_VERSIONS,
    CheckKind.SAME_EMBEDDINGS,
    CheckKind.LATENCY,
}


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes:
        kind: what the check is about.
        passed: whether the condition holds.
        words: the condition in words, or the reason why it does not hold.
        value, threshold: the measured value and its limit; None where nothing is measured.
        about: name of the baseline or segment of the check; empty if there is none.
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
        power: the probability with which the next comparison proves a true gain of
            `smallest_gain`.
        smallest_gain: the smallest true gain that the next comparison proves with this power.
    """

    comparison: int
    significance: float
    left: float
    power: float
    smallest_gain: float


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
        metric: name of the policy's metric.
        checks: in the order in which they were made.
        challenger, champion: the metric of each model with its interval; None where not measured.
        difference: challenger minus champion, with its interval; None without a comparison.
        reuse: None without a comparison.
        segments: of the comparison with the champion.
        challenger_model, champion_model: URIs in the registry; None where there is no model.
        policy: the section `gate` of the policy that decided.
        proves, favoured: see `Evidence`; empty in decisions from before there was a choice.
    """

    mode: str
    metric: str
    checks: tuple[Check, ...]
    challenger: Interval | None
    champion: Interval | None
    difference: Interval | None
    reuse: Reuse | None
    segments: tuple[SegmentDifference, ...]
    challenger_model: str | None
    champion_model: str | None
    policy: dict[str, Any]
    proves: str = ""
    favoured: str = ""

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

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
        """Reads what `to_json` wrote.

        Raises:
            KeyError, TypeError, ValueError: the content is no decision.
        """
        content = {name: value for name, value in content.items() if name != "passed"}
        checks = tuple(
            Check(**{**check, "kind": CheckKind(check["kind"])})
            for check in (
                {k: v for k, v in one.items() if k != "name"} for one in content["checks"]
            )
        )
        segments = tuple(SegmentDifference(**one) for one in content["segments"])
        reuse = Reuse(**content["reuse"]) if content["reuse"] else None
        return cls(**{**content, "checks": checks, "segments": segments, "reuse": reuse})
