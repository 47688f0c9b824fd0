"""The slowly moving copy of a network that gives keys (MoCo) or targets (BYOL)."""

import copy
from typing import TypeVar

import torch
from torch import Tensor, nn

Module = TypeVar("Module", bound=nn.Module)


def momentum_copy(module: Module) -> Module:
    """A copy without gradients, to be moved by `follow`."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(copies: list[nn.Module], originals: list[nn.Module], momentum: float) -> None:
    """Moves every parameter of the copies towards its original, in one fused operation (arXiv 1911.05722, equation 2).

    Args:
        momentum: share of the old copy that is kept.
    """
    old: list[Tensor] = [value for module in copies for value in module.parameters()]
    new: list[Tensor] = [value for module in originals for value in module.parameters()]
    torch._foreach_lerp_(old, new, 1 - momentum)
