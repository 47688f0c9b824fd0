"""SimSiam predicts one view from the other, with a stopped gradient and nothing else.

Source: Chen and He, arXiv 2011.10566. Heads and loss are lightly's. It is the simplest method here:
begin with a copy of it to write another one.
"""

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from pydantic import Field
from torch import Tensor

from ml.model.encoder import Encoder
from ml.train.methods.agreement import agreement
from ml.train.methods.base import MethodParams, TrainingMethod


class SimSiamParams(MethodParams):
    """The params under `train.simsiam` in params.yaml."""

    projection: int = Field(
        gt=0, description="length of the projected vectors, and width of the projection's layers"
    )
    bottleneck: int = Field(gt=0, description="width of the prediction head's hidden layer")


class SimSiam(TrainingMethod):
    """One encoder with projection head and prediction head.

    It uses the whole picture only, whatever the value of `train.encoder.slices`.
    """

    name = "simsiam"
    params_class = SimSiamParams

    def __init__(self, encoder: Encoder, params: SimSiamParams) -> None:
        super().__init__(encoder, params)
        self.projection_head = SimSiamProjectionHead(
            encoder.part_size, params.projection, params.projection
        )
        self.prediction_head = SimSiamPredictionHead(
            params.projection, params.bottleneck, params.projection
        )
        self.criterion = NegativeCosineSimilarity()

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the symmetric loss (arXiv 2011.10566, equation 4).

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1; ids, kinds: not used.

        Returns:
            The loss (scalar, −1 at best) and the accuracy of `agreement`.
        """
        projected = [self.projection_head(self.encoder.whole(view)) for view in (first, second)]
        predicted = [self.prediction_head(one) for one in projected]
        losses = [
            self.criterion(one, target.detach())
            for one, target in zip(predicted, reversed(projected), strict=True)
        ]
        return (losses[0] + losses[1]) / 2, agreement(predicted[0], projected[1])
