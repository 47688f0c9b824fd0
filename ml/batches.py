"""Batches straight from the memory map: no decoding in the training loop."""

from collections.abc import Iterator

import numpy as np
import torch

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class Batches:
    """The shuffled batches of an epoch.

    Args:
        pictures: uint8 (products, height, width, 3); masks: uint8 (products, height, width).
        rows: int (n,), the products that train; batch: products in a batch, at most all of them.
        random: CPU generator that shuffles; one permutation an epoch, and the last incomplete batch is dropped.
    """

    def __init__(
        self, pictures: np.ndarray, masks: np.ndarray, rows: np.ndarray, batch: int, random: torch.Generator
    ) -> None:
        self.pictures, self.masks, self.rows, self.random = pictures, masks, rows, random
        self.size = min(batch, len(rows))

    def __len__(self) -> int:
        return len(self.rows) // self.size

    def __iter__(self) -> Iterator[Batch]:
        """Yields pictures and masks as above, and int64 (batch,) rows."""
        order = self.rows[torch.randperm(len(self.rows), generator=self.random).numpy()]
        for step in range(len(self)):
            rows = np.sort(order[step * self.size : (step + 1) * self.size])  # in file order: fewer page faults
            yield torch.from_numpy(self.pictures[rows]), torch.from_numpy(self.masks[rows]), torch.from_numpy(rows)
