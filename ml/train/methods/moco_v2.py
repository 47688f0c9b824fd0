"""MoCo v2 contrasts the whole picture against a queue of momentum keys.

Source: Chen et al., arXiv 2003.04297. The head is lightly's. The queue is this project's, because
lightly's memory bank is not part of checkpoints and counts a product's own older keys as negatives.
On equal tensors the loss equals that of lightly's `NTXentLoss` with a memory bank; a test holds it.
"""

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from ml.model.encoder import Encoder
from ml.train.methods.base import MethodParams
from ml.train.methods.momentum import MomentumMethod
from ml.train.methods.queue import KeyQueue


class MoCoV2Params(MethodParams):
    """The params under `train.moco_v2` in params.yaml."""

    hidden: int = Field(gt=0, description="width of the projection head's hidden layer")
    projection: int = Field(gt=0, description="length of the projected vectors that are contrasted")
    queue: int = Field(gt=0, description="keys remembered as negatives")
    temperature: float = Field(gt=0)
    momentum: float = Field(
        ge=0, le=1, description="share of the old key encoder kept at each step"
    )


class MoCoV2(MomentumMethod):
    """Query encoder, momentum encoder and one queue of keys.

    It uses the whole picture only, whatever the value of `train.encoder.slices`.
    """

    name = "moco_v2"
    params_class = MoCoV2Params

    def __init__(self, encoder: Encoder, params: MoCoV2Params) -> None:
        head = MoCoProjectionHead(encoder.part_size, params.hidden, params.projection)
        super().__init__(encoder, params, head)
        self.queue = KeyQueue(params.queue, 1, params.projection)

    def forward(
        self, first: Tensor, second: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Computes InfoNCE of the whole picture; all negatives count alike.

        Args:
            first, second: float (batch, 3, height, width) in 0 … 1: the views of queries and keys.
            ids: int64 (batch,), the product each picture shows; kinds: not used.

        Returns:
            The loss and the accuracy of `KeyQueue.info_nce`.
        """
        with torch.no_grad():
            keys = functional.normalize(
                self.momentum_head(self.momentum_encoder.whole(second)).float(), dim=1
            )
        queries = functional.normalize(
            self.projection_head(self.encoder.whole(first)).float(), dim=1
        )
        self.pending = keys.unsqueeze(1), ids  # the queue may not change before backward
        return self.queue.info_nce(
            queries.unsqueeze(1), keys.unsqueeze(1), ids, self.params.temperature
        )

    def on_step_end(self) -> None:
        """Moves the key encoder towards the query encoder, and the step's keys into the queue."""
        super().on_step_end()
        self.queue.push(*self.pending)
