"""The train split, from which batches are drawn."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ml.data.blocks import kind_numbers
from ml.train.pair_labels import PairLabels, build_pair_labels


@dataclass(frozen=True)
class Excerpt:
    """Some pictures of a memory map, which are read when they are asked for.

    Attributes:
        pictures: uint8 (products, height, width, 3).
        indices: int (n,), positions of the chosen ones.
    """

    pictures: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, places: slice, /) -> np.ndarray:
        return np.asarray(self.pictures[self.indices[places]])


@dataclass(frozen=True)
class TrainSplit:
    """The products of all splits with their pictures, and the positions of those that train.

    Attributes:
        products, pairs: tables of all splits, as `ml.prepare` leaves them.
        pictures: uint8 (products, height, width, 3).
        masks: uint8 (products, height, width), above 0 on the product.
    """

    products: pd.DataFrame
    pairs: pd.DataFrame
    pictures: np.ndarray
    masks: np.ndarray

    @cached_property
    def indices(self) -> np.ndarray:
        """Positions of the products that train: int (n,), increasing."""
        return np.flatnonzero(self.products["split"] == "train")

    @cached_property
    def kinds(self) -> np.ndarray:
        """A number for gender and article type of every product: int (products,)."""
        return kind_numbers(self.products)

    @cached_property
    def labels(self) -> PairLabels:
        """The known designs of the train split, from its annotated pairs."""
        return build_pair_labels(self.products, self.pairs, self.indices)
