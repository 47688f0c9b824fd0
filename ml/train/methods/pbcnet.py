"""PBCNet: contrast the whole garment and each of its slices against a queue of momentum keys.

Dutta et al., arXiv 2104.08581, section 3 (and 2112.02910); the momentum encoder and the queue are
MoCo's (He et al., arXiv 1911.05722, section 3.2 and algorithm 1).
"""

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ml.core.params import Params
from ml.model.encoder import Encoder
from ml.train.methods.momentum import follow, momentum_copy
from ml.train.methods.queue import KeyQueue


class PBCNetParams(Params):
    """The params under `train.pbcnet` in params.yaml."""

    projection: int = Field(gt=0, description="length of the projected vectors that are contrasted")
    queue: int = Field(gt=0, description="keys remembered as negatives")
    temperature: float = Field(gt=0)
    momentum: float = Field(
        ge=0, le=1, description="share of the old key encoder kept at each step"
    )
    rival_weight: float = Field(
        gt=0, description="how often a negative of the same gender and article type counts"
    )


class PBCNet(nn.Module):
    """Query encoder, momentum encoder, and one queue of keys for each part.

    Args:
        encoder: gives the parts; after training it, or the momentum encoder, is kept
            (`train.keep`).
    """

    def __init__(self, encoder: Encoder, params: PBCNetParams) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        # One linear projection for all parts: on dev it is better than a hidden layer, see
        # docs/results.md.
        self.head = nn.Linear(encoder.part_size, params.projection)
        self.momentum_encoder, self.momentum_head = momentum_copy(encoder), momentum_copy(self.head)
        self.queue = KeyQueue(params.queue, encoder.part_count, params.projection)

    def forward(
        self, query_view: Tensor, key_view: Tensor, ids: Tensor, kinds: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step's loss; `after_step` then lets the keys replace the oldest in the queue.

        Args:
            query_view, key_view: float (batch, 3, height, width) in 0 … 1.
            ids: int64 (batch,), the product each picture shows, or its design where that is known.
            kinds: int64 (batch,), equal for rivals; default: there are none.

        Returns:
            The loss and the accuracy of `KeyQueue.info_nce`.
        """
        with torch.no_grad():
            keys = functional.normalize(
                self.momentum_head(self.momentum_encoder.parts(key_view)).float(), dim=2
            )
        queries = functional.normalize(self.head(self.encoder.parts(query_view)).float(), dim=2)
        self.pending = keys, ids, kinds  # the queue may not change before backward has read it
        return self.queue.info_nce(
            queries,
            keys,
            ids,
            self.params.temperature,
            kinds=kinds,
            rival_weight=self.params.rival_weight,
        )

    def after_step(self) -> None:
        """Moves the key encoder towards the query encoder, and the step's keys into the queue."""
        follow(
            [self.momentum_encoder, self.momentum_head],
            [self.encoder, self.head],
            self.params.momentum,
        )
        self.queue.push(*self.pending)
