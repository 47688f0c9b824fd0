"""The evidence that the gate decides on: two models on the same test pairs, and one being served."""

from dataclasses import dataclass, field

import numpy as np


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
        comparison: 1-based index of this comparison with a champion on these test pairs.
        segments: parts of the catalogue, where there is a champion.
        serving: None where the policy asks for no canaries.
        challenger_model, champion_model: addresses in the registry; None where there is none.
    """

    dirty: bool
    reason: str | None
    challenger: np.ndarray | None
    champion: np.ndarray | None
    baselines: dict[str, float]
    comparison: int = 1
    segments: list[Segment] = field(default_factory=list)
    serving: Serving | None = None
    challenger_model: str | None = None
    champion_model: str | None = None
