"""MoCo v2: contrast the whole picture against a queue of momentum keys (Chen et al., arXiv 2003.04297).

The head is lightly's. The queue is this project's, because lightly's memory bank is left out of
checkpoints and counts a product's own older keys as negatives; on equal tensors the loss is that of
lightly's `NTXentLoss` with a memory bank, and a test keeps it so.
"""

import torch
from lightly.models.modules.heads import MoCoProjectionHead
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ml.core.params import Params
from ml.model.encoder import Encoder
from ml.train.methods.momentum import follow, momentum_copy
from ml.train.methods.queue import KeyQueue


class MoCoV2Params(Params):
    """The params under `train.moco_v2` in params.yaml."""

    hidden: int = Field(gt=0, description="width of the projection head's hidden layer")
    projection: int = Field(gt=0, description="length of the projected vectors that are contrasted")
    queue: int = Field(gt=0, description="keys remembered as negatives")
    temperature: float = Field(gt=0)
    momentum: float = Field(
        ge=0, le=1, description="share of the old key encoder kept at each step"
    )


class MoCoV2(nn.Module):
    """Query encoder, momentum encoder and one queue of keys; it looks at the whole picture, whatever the slices are.

    Args:
        encoder: after training it, or the momentum encoder, is kept (`train.keep`).
    """

    def __init__(self, encoder: Encoder, params: MoCoV2Params) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.head = MoCoProjectionHead(encoder.part_size, params.hidden, params.projection)
        self.momentum_encoder, self.momentum_head = momentum_copy(encoder), momentum_copy(self.head)
        self.queue = KeyQueue(params.queue, 1, params.projection)

    def forward(
        self, query_view: Tensor, key_view: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step's loss; arguments and answer as of `PBCNet.forward`, but all negatives count alike (kinds: not used)."""
        with torch.no_grad():
            keys = functional.normalize(
                self.momentum_head(self.momentum_encoder.whole(key_view)).float(), dim=1
            )
        queries = functional.normalize(self.head(self.encoder.whole(query_view)).float(), dim=1)
        self.pending = keys.unsqueeze(1), ids
        return self.queue.info_nce(
            queries.unsqueeze(1), keys.unsqueeze(1), ids, self.params.temperature
        )

    def after_step(self) -> None:
        """Moves the key encoder towards the query encoder, and the step's keys into the queue."""
        follow(
            [self.momentum_encoder, self.momentum_head],
            [self.encoder, self.head],
            self.params.momentum,
        )
        self.queue.push(*self.pending)
