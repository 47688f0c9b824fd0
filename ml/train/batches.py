"""Batches straight from the memory map: no decoding in the training loop."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ml.train.pair_labels import PairLabels


class Batch(NamedTuple):
    """Products and, for the second view, either themselves or known variants of them.

    Attributes:
        pictures, variants: uint8 (batch, height, width, 3).
        masks, variant_masks: uint8 (batch, height, width).
        ids: int64 (batch,), equal for products of one design as far as that is known.
        kinds: int64 (batch,), equal for products of one gender and article type.
    """

    pictures: Tensor
    masks: Tensor
    variants: Tensor
    variant_masks: Tensor
    ids: Tensor
    kinds: Tensor


@dataclass
class Batches:
    """The shuffled batches of an epoch, without labels.

    Args:
        pictures: uint8 (products, height, width, 3); masks: uint8 (products, height, width).
        indices: int (n,), positions of the products that train.
        batch: products in a batch; if there are fewer, one batch holds all of them.
        random: CPU generator that shuffles; one permutation an epoch, and the last incomplete batch
            is dropped.
        kinds: int (products,), see `Batch`; by default all products are of one kind.
    """

    pictures: np.ndarray
    masks: np.ndarray
    indices: np.ndarray
    batch: int
    random: torch.Generator
    kinds: np.ndarray | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        self.kind = (
            np.zeros(len(self.pictures), np.int64)
            if self.kinds is None
            else self.kinds.astype(np.int64)
        )
        self.size = min(self.batch, len(self.indices))

    def __len__(self) -> int:
        return len(self.indices) // self.size

    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        for step in range(len(self)):
            chosen = order[step * self.size : (step + 1) * self.size]
            yield self.load(np.sort(chosen))  # in file order: fewer page faults

    def order(self) -> np.ndarray:
        """Returns the indices in the order of this epoch."""
        return self.shuffled(self.indices)

    def shuffled(self, indices: np.ndarray) -> np.ndarray:
        """Returns a permutation of indices, drawn from `random`."""
        return indices[torch.randperm(len(indices), generator=self.random).numpy()]

    def load(self, indices: np.ndarray) -> Batch:
        """Loads the pictures of these indices; both views are of the product itself."""
        pictures = torch.from_numpy(self.pictures[indices])
        masks = torch.from_numpy(self.masks[indices])
        ids, kinds = torch.from_numpy(indices), torch.from_numpy(self.kind[indices])
        return Batch(pictures, masks, pictures, masks, ids, kinds)


@dataclass
class VariantBatches(Batches):
    """Batches whose second pictures show known variants, if a product has any.

    Args:
        labels: of the train split.
        share: share of each batch that is drawn from the products with known variants, in a new
            shuffled order whenever all have been drawn. The rest of the batch is drawn from all
            `indices`, each once an epoch.
    """

    labels: PairLabels
    share: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.drawn = (
            min(round(self.share * self.size), self.size - 1) if len(self.labels.paired) else 0
        )

    def __len__(self) -> int:
        return len(self.indices) // (self.size - self.drawn)

    def order(self) -> np.ndarray:
        """Returns the indices of each batch: first those with known variants, then the others."""
        if not self.drawn:
            return super().order()
        others = self.shuffled(self.indices)[: len(self) * (self.size - self.drawn)].reshape(
            len(self), -1
        )
        rounds = -(-len(self) * self.drawn // len(self.labels.paired))
        paired = np.concatenate([self.shuffled(self.labels.paired) for _ in range(rounds)])
        return np.concatenate(
            [paired[: len(self) * self.drawn].reshape(len(self), -1), others], axis=1
        ).ravel()

    def load(self, indices: np.ndarray) -> Batch:
        """Loads the pictures of these indices, and of a known variant of each."""
        variants = self.labels.variants(indices, self.random)
        return Batch(
            torch.from_numpy(self.pictures[indices]),
            torch.from_numpy(self.masks[indices]),
            torch.from_numpy(self.pictures[variants]),
            torch.from_numpy(self.masks[variants]),
            torch.from_numpy(self.labels.design[indices]),
            torch.from_numpy(self.kind[indices]),
        )


class AnnotatedBatches(VariantBatches):
    """Batches of annotated products only, one block after another.

    A batch then holds different designs that are hard to tell apart.
    """

    def order(self) -> np.ndarray:
        """Returns the indices, the blocks in a shuffled order and each block shuffled."""
        indices = self.shuffled(self.indices)
        blocks = self.labels.block[indices]
        place = torch.rand(int(blocks.max()) + 1, generator=self.random).numpy()
        return indices[np.argsort(place[blocks], kind="stable")]
