"""Blocks, and embeddings relative to their block.

What all products of one brand and article type have in common does not tell them apart.
"""

import numpy as np
import pandas as pd

from ml.data.schema import BLOCK, KIND, UNKNOWN


def fill_unknown(products: pd.DataFrame) -> pd.DataFrame:
    """Returns the products with "unknown" where brand, gender or article type is missing.

    Such products are compared with each other only.
    """
    return products.assign(**{column: products[column].fillna(UNKNOWN) for column in BLOCK})


def block_numbers(products: pd.DataFrame) -> np.ndarray:
    """Numbers the blocks (brand, gender, article type): int (products,), from 0 as they appear."""
    return products.groupby(BLOCK, sort=False, dropna=False).ngroup().to_numpy(int)


def kind_numbers(products: pd.DataFrame) -> np.ndarray:
    """Numbers the kinds (gender, article type): int (products,), from 0 as they appear."""
    return products.groupby(KIND, sort=False, dropna=False).ngroup().to_numpy(int)


def relative_to_block(embeddings: np.ndarray, block: np.ndarray, prior: float) -> np.ndarray:
    """Subtracts the block's mean from each embedding.

    One brand photographs all its shirts alike, another brand its shoes. Such likeness makes whole
    blocks too similar or too different for one threshold. The mean is shrunk towards zero, which is
    the mean of all products, as if the block held `prior` more products with an embedding of zero.
    A block of a few products, which may all be variants, therefore hardly moves.

    Args:
        embeddings: float (products, size), each of length 1, centered on the train products;
            embeddings of zeros stay zero.
        block: int (products,), from 0. All products of a block should be there, annotated or not.
        prior: number of products; 0 subtracts the plain mean, infinity subtracts nothing.

    Returns:
        float32 (products, size), each embedding of length 1.
    """
    if not len(embeddings):
        return embeddings
    count = np.bincount(block)
    total = np.zeros((len(count), embeddings.shape[1]))
    np.add.at(total, block, embeddings)
    seen = np.linalg.norm(embeddings, axis=1, keepdims=True) > 0
    moved = np.where(seen, embeddings - (total / (count + prior)[:, None])[block], 0)
    length = np.linalg.norm(moved, axis=1, keepdims=True)
    return np.asarray(moved / np.where(length > 0, length, 1), dtype=np.float32)


def block_mates(products: pd.DataFrame, indices: np.ndarray) -> np.ndarray:
    """Returns the positions of all products of the blocks that the products at `indices` are in.

    They are int (any,) and increasing, and include `indices` (int (any,), positions in the table).
    """
    block = block_numbers(products)
    return np.flatnonzero(np.isin(block, block[indices]))
