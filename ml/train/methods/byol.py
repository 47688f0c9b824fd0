"""BYOL predicts the momentum encoder's embedding of a view from another view, without negatives.

Source: Grill et al., arXiv 2006.07733. Heads and loss are lightly's.
"""

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from pydantic import Field
from torch import Tensor

from ml.model.encoder import Encoder
from ml.train.methods.agreement import agreement
from ml.train.methods.base import MethodParams
from ml.train.methods.momentum import MomentumMethod


class BYOLParams(MethodParams):
    """The params under `train.byol` in params.yaml."""

    hidden: int = Field(gt=0, description="width of both heads' hidden layers")
    projection: int = Field(gt=0, description="length of the projected vectors")
    momentum: float = Field(ge=0, le=1, description="share of the old target kept at each step")


class BYOL(MomentumMethod):
    """Online encoder with a prediction head, and a target encoder that follows it.

    It uses the whole picture only, whatever the value of `train.encoder.slices`.
    """

    name = "byol"
    params_class = BYOLParams

    def __init__(self, encoder: Encoder, params: BYOLParams) -> None:
        head = BYOLProjectionHead(encoder.part_size, params.hidden, params.projection)
        super().__init__(encoder, params, head)
        self.prediction_head = BYOLPredictionHead(
            params.projection, params.hidden, params.projection
        )
        self.criterion = NegativeCosineSimilarity()

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the symmetric loss: each view is the target once.

        Source: arXiv 2006.07733, equations 2 and 3, up to a constant.

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1; ids, kinds: not used.

        Returns:
            The loss (scalar, −1 at best) and the accuracy of `agreement`.
        """
        views = first, second
        with torch.no_grad():
            targets = [self.momentum_head(self.momentum_encoder.whole(view)) for view in views]
        predicted = [
            self.prediction_head(self.projection_head(self.encoder.whole(view))) for view in views
        ]
        losses = [
            self.criterion(one, target)
            for one, target in zip(predicted, reversed(targets), strict=True)
        ]
        return (losses[0] + losses[1]) / 2, agreement(predicted[0], targets[1])
