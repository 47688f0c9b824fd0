"""The params of an evaluation."""

from pydantic import Field

from ml.core.params import Params
from ml.grouping.grouping import ClusteringName


class EvaluateParams(Params):
    """The params under `evaluate` in params.yaml."""

    resamples: int = Field(gt=0, description="bootstrap resamples behind every interval")
    seed: int = Field(description="of the resamples")
    grouping: ClusteringName = Field(
        description="how products of a block become groups, see `ml.grouping.grouping`"
    )
    block_prior: float = Field(
        ge=0, description="products of no particular look that each block's mean is shrunk with"
    )
    default_threshold: float = Field(
        gt=0, le=2, description="1 − cosine, where no dev pairs are there to choose by"
    )
