"""Embeddings relative to their block: what all products of a brand and type have in common does not tell them apart."""

import numpy as np
import pandas as pd

from ml.data.schema import BLOCK, KIND


def block_numbers(products: pd.DataFrame) -> np.ndarray:
    """The block (brand, gender, article type) of each product: int (products,), from 0 in order of appearance."""
    return products.groupby(BLOCK, sort=False, dropna=False).ngroup().to_numpy(int)


def kind_numbers(products: pd.DataFrame) -> np.ndarray:
    """What each product is, whoever makes it (gender and article type): int (products,), from 0 in order of appearance."""
    return products.groupby(KIND, sort=False, dropna=False).ngroup().to_numpy(int)


def relative_to_block(embeddings: np.ndarray, block: np.ndarray, prior: float) -> np.ndarray:
    """Takes the block's own mean away from each embedding.

    One brand photographs its shirts alike, another its shoes: such likeness makes whole blocks too
    similar or too different for one threshold. The mean is shrunk to zero, the mean of all
    products, as if `prior` more products of no particular look were in the block: a block of a few
    products, which may all be variants, hardly moves.

    Args:
        embeddings: float (products, size), rows of length 1, centered on the train products; rows
            of zeros stay zero.
        block: int (products,), from 0. All products of a block should be there, annotated or not.
        prior: products; with 0 the plain mean is taken away, with infinity nothing.

    Returns:
        float32 (products, size), rows of length 1.
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
    """Finds all products that share a block with given ones.

    Args:
        products: brand, gender, article_type.
        indices: int (any,), positions of products in the table.

    Returns:
        int (any,), increasing: the positions of these products and of all others of their blocks.
    """
    block = block_numbers(products)
    return np.flatnonzero(np.isin(block, block[indices]))
