"""Pair labels: which products of the train split are known to be variants of one another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ml.data.annotations import build_annotations


@dataclass(frozen=True)
class PairLabels:
    """The known designs of the train split.

    Attributes:
        design: int64 (all products,), equal for two products that are known to be of one design,
            and unique for every other product.
        block: int64 (all products,), the block (brand, gender, article type) of each annotated
            product; −1 for every other product.
        annotated: int64 (n,), positions of the train split's products that occur in a usable pair.
        paired: int64 (m,), positions of those among them that have a known variant.
    """

    design: np.ndarray
    block: np.ndarray
    annotated: np.ndarray
    paired: np.ndarray

    def variants(self, indices: np.ndarray, random: torch.Generator) -> np.ndarray:
        """Draws one other product of the same design for each product, evenly.

        Args:
            indices: int64 (n,), positions in the products table.
            random: CPU generator.

        Returns:
            int64 (n,): positions of variants; the product's own position if it has none.
        """
        drawn = torch.rand(len(indices), generator=random).numpy()
        found = indices.copy()
        for place, index in enumerate(indices):
            others = self.paired[
                (self.design[self.paired] == self.design[index]) & (self.paired != index)
            ]
            if len(others):
                found[place] = others[int(drawn[place] * len(others))]
        return found


def build_pair_labels(
    products: pd.DataFrame, pairs: pd.DataFrame, indices: np.ndarray
) -> PairLabels:
    """Builds the labels of the train split.

    Args:
        products, pairs: tables as `ml.prepare` leaves them.
        indices: int (n,), positions of the train split in products. A pair with a product of
            another split is left out.
    """
    annotations = build_annotations(products.iloc[indices], pairs)
    annotated = indices[annotations.indices].astype(np.int64)
    design = np.arange(len(products), dtype=np.int64)
    block = np.full(len(products), -1, dtype=np.int64)
    first = np.unique(annotations.design, return_index=True)[1]
    # A design is named after its first product's position, so that it is unique among all.
    design[annotated] = annotated[first][annotations.design]
    block[annotated] = annotations.block
    several = np.bincount(annotations.design, minlength=1)[annotations.design] >= 2
    return PairLabels(design, block, annotated, annotated[several])
