"""The truth of complete blocks, in which every product is assigned to its design.

Nobody has selected their pairs, so variants are as rare among them as in the catalogue. The pairs
that people could not decide are left out.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ml.data.annotations import PairSet, pairs_within
from ml.data.blocks import block_numbers


@dataclass(frozen=True)
class CompleteBlocks:
    """The products of complete blocks of a table.

    Attributes:
        indices: int (products,), their positions in the table, increasing.
        block: int (products,), numbered from 0.
        design: int (products,), numbered from 0; no design is in two blocks.
        pairs: all pairs of products of one block, without those that are unsure; positions among
            these products.
        unsure: int (unsure pairs, 2), the pairs that are left out; positions likewise.
    """

    indices: np.ndarray
    block: np.ndarray
    design: np.ndarray
    pairs: PairSet
    unsure: np.ndarray

    def facts(self) -> dict[str, int]:
        """Counts blocks, products, pairs, and variants (pairs of one design)."""
        return {
            "blocks": len(np.unique(self.block)),
            "products": len(self.indices),
            "pairs": len(self.pairs),
            "variants": int(self.pairs.label.sum()),
        }

    @property
    def block_size(self) -> np.ndarray:
        """The number of products of the block of each pair: int (pairs,)."""
        return np.asarray(np.bincount(self.block)[self.block[self.pairs.left]])

    @property
    def measurable(self) -> bool:
        """Whether there are pairs of variants and of other designs; every metric needs both."""
        return 0 < self.pairs.label.sum() < len(self.pairs)


def build_complete_blocks(
    products: pd.DataFrame, blocks: pd.DataFrame, unsure: pd.DataFrame
) -> CompleteBlocks:
    """Finds the complete blocks of a table, such as one split.

    Args:
        products: product_id, brand, gender, article_type; the order matters, the index does not.
        blocks: product_id, design. One design name in two blocks stands for two designs. Products
            outside the table are left out.
        unsure: left, right.
    """
    assigned = products["product_id"].map(blocks.set_index("product_id")["design"])
    indices = np.flatnonzero(assigned.notna())
    shown = products.iloc[indices]
    block = block_numbers(shown)
    design = pd.DataFrame({"block": block, "design": assigned.iloc[indices].to_numpy()})
    number = design.groupby(["block", "design"], sort=False).ngroup().to_numpy(int)
    place = pd.Series(np.arange(len(indices)), index=shown["product_id"].to_numpy())
    known = unsure[unsure["left"].isin(place.index) & unsure["right"].isin(place.index)]
    undecided = np.stack([place[known[side]].to_numpy(int) for side in ("left", "right")], axis=1)
    left, right = pairs_within(block, undecided.tolist())
    pairs = PairSet(left, right, number[left] == number[right])
    return CompleteBlocks(indices, block, number, pairs, undecided)
