"""The gate's decision: every check with its value and threshold, and one way of writing it down."""

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from ml.evaluate.evaluation import Interval


class CheckKind(StrEnum):
    """What a check asks; the value is its name for people."""

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


RETRIABLE = {  # what another time or another machine may pass
    CheckKind.SERVES,
    CheckKind.PINNED_VERSIONS,
    CheckKind.SAME_EMBEDDINGS,
    CheckKind.LATENCY,
}


@dataclass(frozen=True)
class Check:
    """One condition of the gate.

    Attributes:
        kind: what is asked.
        passed: whether it holds.
        words: what is asked in a sentence, or why it does not hold.
        value, threshold: what was measured and its limit; None where nothing is measured.
        about: the baseline or segment that it is about, or nothing.
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
        significance: the level that it used.
        left: the level for all later comparisons together.
        power, smallest_gain: a true gain of this size is proven by the next comparison with this
            probability.
    """

    comparison: int
    significance: float
    left: float
    power: float
    smallest_gain: float


@dataclass(frozen=True)
class SegmentDifference:
    """Challenger less champion on a part of the test pairs.

    Attributes:
        positives: pairs of variants in it.
        guarded: whether they are enough for a check.
        difference: of block AP.
    """

    name: str
    positives: int
    guarded: bool
    difference: Interval


@dataclass(frozen=True)
class Decision:
    """What the gate found. It passes if every check does, whatever the mode.

    Attributes:
        mode: "enforce" or "dry-run"; metric: the policy's.
        checks: in the order in which they were made.
        challenger, champion, difference: the metric with its interval; None where there is none.
        reuse: None without a champion.
        segments: of the comparison with the champion.
        challenger_model, champion_model: addresses in the registry, or None.
        policy: the section `gate` of the policy that decided.
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
        """Whether a check failed that another time or another machine may pass."""
        return any(check.kind in RETRIABLE for check in self.failed)

    def to_json(self) -> dict[str, Any]:
        """The decision as it is kept in gate/decision.json; `passed` and names are written too."""
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
