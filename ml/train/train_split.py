"""The train split, as batches are drawn from it."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ml.data.blocks import kind_numbers
from ml.train.pair_labels import PairLabels, build_pair_labels


@dataclass(frozen=True)
class TrainSplit:
    """The products of all splits with their pictures, and which of them train.

    Attributes:
        products, pairs: tables as `ml.prepare` leaves them.
        pictures: uint8 (products, height, width, 3); masks: uint8 (products, height, width).
    """

    products: pd.DataFrame
    pairs: pd.DataFrame
    pictures: np.ndarray
    masks: np.ndarray

    @cached_property
    def indices(self) -> np.ndarray:
        """The products that train: int (n,), increasing."""
        return np.flatnonzero(self.products["split"] == "train")

    @cached_property
    def kinds(self) -> np.ndarray:
        """Gender and article type of every product: int (products,), equal where both are."""
        return kind_numbers(self.products)

    @cached_property
    def labels(self) -> PairLabels:
        """What the annotated pairs of the train split say about its products."""
        return build_pair_labels(self.products, self.pairs, self.indices)
