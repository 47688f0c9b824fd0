"""BYOL: predict the momentum encoder's view of a picture from another view, without negatives (Grill et al., arXiv 2006.07733).

Heads and loss are lightly's.
"""

import torch
from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import BYOLPredictionHead, BYOLProjectionHead
from pydantic import Field
from torch import Tensor, nn

from ml.core.params import Params
from ml.model.encoder import Encoder
from ml.train.methods.agreement import agreement
from ml.train.methods.momentum import follow, momentum_copy


class BYOLParams(Params):
    """The params under `train.byol` in params.yaml."""

    hidden: int = Field(gt=0, description="width of both heads' hidden layers")
    projection: int = Field(gt=0, description="length of the projected vectors")
    momentum: float = Field(ge=0, le=1, description="share of the old target kept at each step")


class BYOL(nn.Module):
    """Online encoder with a predictor, and a target that follows it; it looks at the whole picture, whatever the slices are.

    Args:
        encoder: the online one; after training it, or its target, is kept (`train.keep`).
    """

    def __init__(self, encoder: Encoder, params: BYOLParams) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.head = BYOLProjectionHead(encoder.part_size, params.hidden, params.projection)
        self.predictor = BYOLPredictionHead(params.projection, params.hidden, params.projection)
        self.momentum_encoder, self.momentum_head = momentum_copy(encoder), momentum_copy(self.head)
        self.loss = NegativeCosineSimilarity()

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step's loss, with each view once the target's (arXiv 2006.07733, equations 2 and 3, up to a constant).

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1; ids, kinds: not used.

        Returns:
            The loss (scalar, −1 at best) and the accuracy of `agreement`.
        """
        with torch.no_grad():
            targets = [
                self.momentum_head(self.momentum_encoder.whole(view)) for view in (first, second)
            ]
        predicted = [
            self.predictor(self.head(self.encoder.whole(view))) for view in (first, second)
        ]
        loss = (self.loss(predicted[0], targets[1]) + self.loss(predicted[1], targets[0])) / 2
        return loss, agreement(predicted[0], targets[1])

    def after_step(self) -> None:
        """Moves the target towards the online encoder."""
        follow(
            [self.momentum_encoder, self.momentum_head],
            [self.encoder, self.head],
            self.params.momentum,
        )
