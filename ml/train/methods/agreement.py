"""Agreement: how often two views of a product find each other in a batch.

It is the accuracy of methods that have no queue.
"""

import torch
from torch import Tensor
from torch.nn import functional


@torch.no_grad()
def agreement(first: Tensor, second: Tensor) -> Tensor:
    """Computes the share of products whose second view is the most similar one to the first.

    Args:
        first, second: float (batch, width), embeddings of the two views, of any length.

    Returns:
        float scalar.
    """
    similarity = (
        functional.normalize(first.float(), dim=1) @ functional.normalize(second.float(), dim=1).T
    )
    return (
        (similarity.argmax(dim=1) == torch.arange(len(first), device=first.device)).float().mean()
    )
