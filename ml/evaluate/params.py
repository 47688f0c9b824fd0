"""The params of an evaluation."""

from typing import Annotated, Literal

from pydantic import Field

from ml.core.params import Params
from ml.grouping.grouping import ClusteringName


class EvaluateParams(Params):
    """The params under `evaluate` in params.yaml."""

    resamples: int = Field(gt=0, description="number of bootstrap resamples behind an interval")
    seed: int = Field(description="seed of the resamples")
    grouping: ClusteringName = Field(
        description="how products of a block become groups, see `ml.grouping.grouping`"
    )
    block_prior: float = Field(
        ge=0,
        description="number of products of no particular look that shrink each block's mean",
    )
    precision: float = Field(
        gt=0, lt=1, description="wanted precision of the groups that are published without a look"
    )
    base_rate: Literal["auto"] | Annotated[float, Field(gt=0)] = Field(
        description="number of variants that a product has in its block, on average; auto: counted "
        "in complete blocks of dev and train, else estimated on dev"
    )
    default_threshold: float = Field(
        gt=0, le=2, description="threshold (1 − cosine) if there are no dev pairs to choose it by"
    )
