"""SimSiam: predict one view from the other, with a stopped gradient and nothing else (Chen and He, arXiv 2011.10566).

Heads and loss are lightly's.
"""

from lightly.loss import NegativeCosineSimilarity
from lightly.models.modules.heads import SimSiamPredictionHead, SimSiamProjectionHead
from pydantic import Field
from torch import Tensor, nn

from ml.core.params import Params
from ml.model.encoder import Encoder
from ml.train.methods.agreement import agreement


class SimSiamParams(Params):
    """The params under `train.simsiam` in params.yaml."""

    projection: int = Field(
        gt=0, description="length of the projected vectors, and width of the projection's layers"
    )
    bottleneck: int = Field(gt=0, description="width of the predictor's hidden layer")


class SimSiam(nn.Module):
    """One encoder with projection and predictor; it looks at the whole picture, whatever the slices are.

    Args:
        encoder: after training it alone is kept.
    """

    def __init__(self, encoder: Encoder, params: SimSiamParams) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.head = SimSiamProjectionHead(encoder.part_size, params.projection, params.projection)
        self.predictor = SimSiamPredictionHead(
            params.projection, params.bottleneck, params.projection
        )
        self.loss = NegativeCosineSimilarity()

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step's symmetric loss (arXiv 2011.10566, equation 4).

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1; ids, kinds: not used.

        Returns:
            The loss (scalar, −1 at best) and the accuracy of `agreement`.
        """
        projected = [self.head(self.encoder.whole(view)) for view in (first, second)]
        predicted = [self.predictor(one) for one in projected]
        loss = (
            self.loss(predicted[0], projected[1].detach())
            + self.loss(predicted[1], projected[0].detach())
        ) / 2
        return loss, agreement(predicted[0], projected[1])

    def after_step(self) -> None:
        """Nothing follows the encoder here."""
