"""The evidence that the gate decides on: two models on the same test pairs, and a serving check."""

from dataclasses import dataclass, field

import numpy as np

from ml.promote.impact import ImpactSummary


@dataclass(frozen=True)
class Segment:
    """Both models on a segment of the test pairs, or on the complete blocks of the test split.

    Attributes:
        name: such as "gender Men", see `ml.evaluate.segments.segments`; "complete blocks".
        positives: number of pairs of variants in the segment.
        challenger, champion: float (1 + resamples,), block AP for paired resamples, the sample
            itself first.
        blocks: number of complete blocks, which the resamples draw; None if they draw designs.
    """

    name: str
    positives: int
    challenger: np.ndarray
    champion: np.ndarray
    blocks: int | None = None


@dataclass(frozen=True)
class Serving:
    """The result of the serving check: a candidate is served over HTTP.

    Attributes:
        problem: why the candidate could not be served; None if it was served.
        differing: the pinned requirements of which another version is installed, in words.
        difference: largest absolute difference between a number of the canary products' embeddings
            and the number that the stage embed recorded; None if it could not be measured.
        milliseconds: time that one product takes, median over the requests; None if it could not be
            measured.
        megabytes: size of the model's files.
    """

    problem: str | None
    differing: list[str]
    difference: float | None
    milliseconds: float | None
    megabytes: float


@dataclass(frozen=True)
class Evidence:
    """Everything about a challenger that the gate decides on.

    Attributes:
        dirty: whether the challenger was made from uncommitted changes.
        reason: why the challenger could not be evaluated; None if it was evaluated.
        challenger, champion: name of each metric of the policy that the test split allows, in the
            policy's order → float (1 + resamples,), for paired resamples of the same test pairs,
            the sample itself first; None where not evaluable or where there is no champion.
        baselines: name → value of the policy's first metric on those pairs.
        fresh: whether the challenger was trained on another snapshot than the champion.
        comparison: 1-based index of this comparison with a champion on these test pairs.
        segments: both models on each segment; empty without a champion.
        serving: None where the policy asks for no canary products.
        impact: what a promotion would change; None without a champion, or where it is not known.
        challenger_model, champion_model: URIs in the registry; None where there is no model.
        proves: what the test split holds, in words (see `ml.validate.split.PROVES`).
        favoured: why the comparison favours the champion, in words; empty if it does not.
    """

    dirty: bool
    reason: str | None
    challenger: dict[str, np.ndarray] | None
    champion: dict[str, np.ndarray] | None
    baselines: dict[str, float]
    fresh: bool = True
    comparison: int = 1
    segments: list[Segment] = field(default_factory=list)
    serving: Serving | None = None
    impact: ImpactSummary | None = None
    challenger_model: str | None = None
    champion_model: str | None = None
    proves: str = ""
    favoured: str = ""
