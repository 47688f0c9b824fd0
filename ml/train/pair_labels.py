"""What the annotated pairs of the train split say about its products: which are known to be variants of one another."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from ml.data.annotations import build_annotations


@dataclass(frozen=True)
class PairLabels:
    """Known designs.

    Attributes:
        design: int64 (all products,), equal where two products are known to be of one design, else
            unique.
        block: int64 (all products,), the block (brand, gender, article type) of each annotated
            product, −1 elsewhere.
        annotated: int64, rows of the train split that occur in a usable pair.
        paired: int64, those of them that have a known variant.
    """

    design: np.ndarray
    block: np.ndarray
    annotated: np.ndarray
    paired: np.ndarray

    def variants(self, rows: np.ndarray, random: torch.Generator) -> np.ndarray:
        """For each row one other product of its design, drawn evenly; the row itself where none is known: int64 (rows,)."""
        drawn = torch.rand(len(rows), generator=random).numpy()
        found = rows.copy()
        for place, row in enumerate(rows):
            others = self.paired[
                (self.design[self.paired] == self.design[row]) & (self.paired != row)
            ]
            if len(others):
                found[place] = others[int(drawn[place] * len(others))]
        return found


def build_pair_labels(products: pd.DataFrame, pairs: pd.DataFrame, rows: np.ndarray) -> PairLabels:
    """Labels of the train split.

    Args:
        products, pairs: tables as `ml.prepare` leaves them; rows: int (n,), rows of the train
            split. Pairs with a product of another split are not looked at.
    """
    annotations = build_annotations(products.iloc[rows], pairs)
    annotated = rows[annotations.indices].astype(np.int64)
    design = np.arange(len(products), dtype=np.int64)
    block = np.full(len(products), -1, dtype=np.int64)
    first = np.unique(annotations.design, return_index=True)[1]
    design[annotated] = annotated[first][
        annotations.design
    ]  # named after the design's first row, so unique among all
    block[annotated] = annotations.block
    several = np.bincount(annotations.design, minlength=1)[annotations.design] >= 2
    return PairLabels(design, block, annotated, annotated[several])
