"""PBCNet: contrast the whole garment and each of its slices against a queue of momentum keys.

Dutta et al., arXiv 2104.08581, section 3 (and 2112.02910); the momentum encoder and the queue are MoCo's (He et al.,
arXiv 1911.05722, section 3.2 and algorithm 1).
"""

import copy

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ml.encoder import Encoder
from ml.params import Params


class PBCNetParams(Params):
    """The knobs under `train.pbcnet` in params.yaml."""

    projection: int = Field(gt=0, description="length of the projected vectors that are contrasted")
    queue: int = Field(gt=0, description="keys remembered as negatives")
    temperature: float = Field(gt=0)
    momentum: float = Field(ge=0, le=1, description="share of the old key encoder kept at each step")


class PBCNet(nn.Module):
    """Query encoder, momentum encoder, and one queue of keys for each part.

    Args:
        encoder: gives the parts; after training it alone is kept.
    """

    queue: Tensor
    queue_ids: Tensor
    position: Tensor

    def __init__(self, encoder: Encoder, params: PBCNetParams) -> None:
        super().__init__()
        self.params = params
        self.encoder = encoder
        self.head = nn.Linear(
            encoder.part_size, params.projection
        )  # on dev better than a hidden layer, see docs/results.md
        self.key_encoder, self.key_head = copy.deepcopy(encoder), copy.deepcopy(self.head)
        for parameter in [*self.key_encoder.parameters(), *self.key_head.parameters()]:
            parameter.requires_grad_(False)
        queue = torch.randn(params.queue, len(encoder.regions), params.projection)
        self.register_buffer("queue", functional.normalize(queue, dim=2))
        self.register_buffer("queue_ids", torch.full((params.queue,), -1))  # −1: a random key, of no product
        self.register_buffer("position", torch.zeros((), dtype=torch.long))

    def forward(self, query_view: Tensor, key_view: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """One step's loss; `after_step` then lets the keys replace the oldest in the queue.

        Args:
            query_view, key_view: float (batch, 3, height, width) in 0 … 1.
            ids: int64 (batch,), the product each picture shows. A product's own older keys are no negatives: on a small
                shop the queue is longer than an epoch.

        Returns:
            The loss (scalar; mean over parts of InfoNCE, arXiv 1911.05722, equation 1) and the share of queries whose
            own key is the most similar.
        """
        queries = functional.normalize(self.head(self.encoder.parts(query_view)).float(), dim=2)
        with torch.no_grad():
            keys = functional.normalize(self.key_head(self.key_encoder.parts(key_view)).float(), dim=2)
        positive = torch.einsum("bpd,bpd->bp", queries, keys).unsqueeze(2)
        negative = torch.einsum("bpd,kpd->bpk", queries, self.queue)
        own = (self.queue_ids.unsqueeze(0) == ids.unsqueeze(1)).unsqueeze(1)
        negative = negative.masked_fill(own, float("-inf"))
        logits = torch.cat([positive, negative], dim=2).flatten(0, 1) / self.params.temperature
        loss = functional.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device))
        self.pending = keys, ids  # the queue may not change before backward has read it
        return loss, (logits.argmax(dim=1) == 0).float().mean()

    @torch.no_grad()
    def after_step(self) -> None:
        """Moves the key encoder towards the query encoder in one fused operation, and the step's keys into the queue."""
        old: list[Tensor] = [*self.key_encoder.parameters(), *self.key_head.parameters()]
        new: list[Tensor] = [*self.encoder.parameters(), *self.head.parameters()]
        torch._foreach_lerp_(old, new, 1 - self.params.momentum)
        keys, ids = self.pending
        places = (self.position + torch.arange(len(keys), device=keys.device)) % len(self.queue)
        self.queue[places], self.queue_ids[places] = keys, ids
        self.position = (self.position + len(keys)) % len(self.queue)
