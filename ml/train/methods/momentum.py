"""Momentum: a slowly moving copy of a network, which computes keys (MoCo) or targets (BYOL)."""

import copy
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ml.model.encoder import Encoder
from ml.train.methods.base import TrainingMethod

Module = TypeVar("Module", bound=nn.Module)


def momentum_copy(module: Module) -> Module:
    """Returns a copy without gradients, which `follow` moves."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(copies: list[nn.Module], originals: list[nn.Module], momentum: float) -> None:
    """Moves every parameter of the copies towards its original, in one fused operation.

    Source: arXiv 1911.05722, equation 2.

    Args:
        copies, originals: the modules in the same order, with equal parameters.
        momentum: share of the old copy that is kept.
    """
    old: list[Tensor] = [value for module in copies for value in module.parameters()]
    new: list[Tensor] = [value for module in originals for value in module.parameters()]
    torch._foreach_lerp_(old, new, 1 - momentum)


class MomentumMethod(TrainingMethod):
    """Base of the training methods whose encoder and projection head have momentum copies.

    Training results in the momentum encoder. The params of these methods have `momentum`, the share
    of the old copy that is kept at each step.
    """

    def __init__(self, encoder: Encoder, params: Any, projection_head: nn.Module) -> None:
        """Copies the encoder and the projection head.

        Args:
            encoder, params: as of `TrainingMethod`.
            projection_head: from the features of the encoder to the vectors that are compared.
        """
        super().__init__(encoder, params)
        self.projection_head = projection_head
        self.momentum_encoder = momentum_copy(encoder)
        self.momentum_head = momentum_copy(projection_head)

    @property
    def kept_encoder(self) -> Encoder:
        """The momentum encoder."""
        return self.momentum_encoder

    def on_step_end(self) -> None:
        """Moves the momentum copies towards the encoder and the projection head."""
        copies: list[nn.Module] = [self.momentum_encoder, self.momentum_head]
        follow(copies, [self.encoder, self.projection_head], self.params.momentum)
