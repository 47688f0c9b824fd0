"""Triplet is the supervised peer: it learns from annotated pairs alone.

Source: Schroff et al., arXiv 1503.03832; it is the baseline of arXiv 2104.08581. Miner and loss are
pytorch-metric-learning's.
"""

from pydantic import Field
from pytorch_metric_learning.distances import CosineSimilarity
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import TripletMarginMiner
from torch import Tensor, cat

from ml.model.encoder import Encoder
from ml.train.methods.agreement import agreement
from ml.train.methods.base import MethodParams, Supervision, TrainingMethod


class TripletParams(MethodParams):
    """The params under `train.triplet` in params.yaml."""

    margin: float = Field(
        gt=0, description="by how much a variant must be more similar than another design (cosine)"
    )
    mine: str = Field(
        pattern="^(all|hard|semihard|easy)$", description="which triplets of a batch count"
    )


class Triplet(TrainingMethod):
    """One encoder, trained on its joined embedding.

    Variants are positives, other designs of the batch are negatives.
    """

    name = "triplet"
    params_class = TripletParams
    supervision = Supervision.PAIRS

    def __init__(self, encoder: Encoder, params: TripletParams) -> None:
        super().__init__(encoder, params)
        self.miner = TripletMarginMiner(
            params.margin, type_of_triplets=params.mine, distance=CosineSimilarity()
        )
        self.criterion = TripletMarginLoss(params.margin, distance=CosineSimilarity())

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes the triplet loss of the batch.

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1, `second` of a variant where
                there is one.
            ids: int64 (batch,), the design of each product; kinds: not used.

        Returns:
            The mean loss over the mined triplets (scalar; 0 where none is mined) and the accuracy
            of `agreement`.
        """
        views = [self.encoder.joined(view).float() for view in (first, second)]
        embeddings, designs = cat(views), cat([ids, ids])
        loss = self.criterion(embeddings, designs, self.miner(embeddings, designs))
        return loss, agreement(*views)
