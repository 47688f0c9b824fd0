"""The queue of keys: first in, first out, one for each part.

Source: He et al., arXiv 1911.05722, section 3.2.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional


class KeyQueue(nn.Module):
    """Older keys, the negatives of InfoNCE.

    Unlike a plain memory bank the queue is part of the checkpoint, and stores which product each
    key is of.

    Args:
        size: keys remembered; parts: vectors of each key; width: their length.
    """

    keys: Tensor
    ids: Tensor
    kinds: Tensor
    position: Tensor

    def __init__(self, size: int, parts: int, width: int) -> None:
        super().__init__()
        self.register_buffer("keys", functional.normalize(torch.randn(size, parts, width), dim=2))
        self.register_buffer("ids", torch.full((size,), -1))  # −1: a random key, of no product
        self.register_buffer("kinds", torch.full((size,), -1))  # −1: nobody's rival
        self.register_buffer("position", torch.zeros((), dtype=torch.long))

    def info_nce(
        self,
        queries: Tensor,
        keys: Tensor,
        ids: Tensor,
        temperature: float,
        kinds: Tensor | None = None,
        rival_weight: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Computes InfoNCE of each part against its own queue, mean over parts.

        Source: arXiv 1911.05722, equation 1.

        Args:
            queries, keys: float (batch, parts, width), vectors of length 1. The positive of a query
                is the key at the same index.
            ids: int64 (batch,). Keys of an equal id in the queue are no negatives: on a small shop
                the queue is longer than an epoch and holds older keys of the same product.
            temperature: divides the similarities.
            kinds: int64 (batch,). Keys of an equal kind (0 or more) are rivals. To tell a shirt
                from shoes is learnt soon; to tell it from other shirts needs its design.
            rival_weight: each rival counts as this many negatives. arXiv 2010.04592 weights
                negatives too, by their similarity; here the kind of the products decides.

        Returns:
            The loss (scalar) and the share of queries whose own key is the most similar (scalar).
        """
        positive = torch.einsum("bpd,bpd->bp", queries, keys).unsqueeze(2)
        negative = torch.einsum("bpd,kpd->bpk", queries, self.keys)
        own = (self.ids.unsqueeze(0) == ids.unsqueeze(1)).unsqueeze(1)
        negative = negative.masked_fill(own, float("-inf"))
        found = (positive >= negative.amax(dim=2, keepdim=True)).float().mean()
        if kinds is not None and rival_weight != 1:
            rivals = (self.kinds.unsqueeze(0) == kinds.unsqueeze(1)) & (self.kinds >= 0)
            negative = negative + (temperature * math.log(rival_weight)) * rivals.unsqueeze(1)
        logits = torch.cat([positive, negative], dim=2).flatten(0, 1) / temperature
        loss = functional.cross_entropy(
            logits, torch.zeros(len(logits), dtype=torch.long, device=logits.device)
        )
        return loss, found

    @torch.no_grad()
    def push(self, keys: Tensor, ids: Tensor, kinds: Tensor | None = None) -> None:
        """Replaces the oldest keys.

        Args:
            keys: float (batch, parts, width), vectors of length 1.
            ids: int64 (batch,); kinds: int64 (batch,), default nobody's rivals.
        """
        places = (self.position + torch.arange(len(keys), device=keys.device)) % len(self.keys)
        self.keys[places], self.ids[places] = keys, ids
        self.kinds[places] = torch.full_like(ids, -1) if kinds is None else kinds
        self.position = (self.position + len(keys)) % len(self.keys)
