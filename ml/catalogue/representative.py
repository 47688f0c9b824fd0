"""The representative of a group: the product that stands for it on pages and in exports."""

import numpy as np
import pandas as pd

from ml.catalogue.block_grouping import Rows

DIGITS = 4  # of a mean similarity: what is nearer is a tie


def representatives(
    products: pd.DataFrame, embeddings: Rows, before: pd.DataFrame | None = None
) -> np.ndarray:
    """Chooses one product of each group: the medoid.

    It is the product that is on average most similar to the others whose pictures can be read; of
    equal ones, that of the smallest id. A group with the products and pictures that it had before
    keeps its representative, whatever the model, unless only the picture of others can be read.

    Args:
        products: product_id (each once), group, sha256, and problem: None for a readable picture.
        embeddings: float16 or float32 (products, size), of length 1; read by group.
        before: the products of the version before, maybe with the column representative.

    Returns:
        bool (products,).
    """
    chosen = np.zeros(len(products), bool)
    kept = np.zeros(len(products), bool)
    if before is not None and "representative" in before:
        same = products["group"].map(_content(products)).to_numpy()
        was = products["group"].map(_content(before)).to_numpy()
        stood = products["product_id"].isin(
            before.loc[before["representative"].astype(bool), "product_id"]
        )
        unread = products["problem"].notna()
        lost = stood & unread & products["group"].isin(products.loc[~unread, "group"])
        kept = (same == was) & ~products["group"].isin(products.loc[lost, "group"]).to_numpy()
        chosen = kept & stood.to_numpy()
    rest = products.assign(place=np.arange(len(products)))[~kept]
    rest = rest.assign(unreadable=rest["problem"].notna()).sort_values(
        ["group", "unreadable", "product_id"]
    )
    places, bad = rest["place"].to_numpy(), rest["unreadable"].to_numpy()
    ends = np.flatnonzero(np.diff(pd.factorize(rest["group"])[0])) + 1
    for members, broken in zip(np.split(places, ends), np.split(bad, ends), strict=True):
        good = members[~broken]
        if len(good) > 2:  # two are equally similar to each other
            rows = np.asarray(embeddings[good], np.float32)
            similarity = (rows @ rows.sum(axis=0) - 1) / (len(rows) - 1)
            chosen[good[np.argmax(similarity.round(DIGITS))]] = True
        elif len(members):
            chosen[members[0]] = True
    return chosen


def _content(products: pd.DataFrame) -> pd.Series:
    """Returns a number for each group, by its products and pictures."""
    words = products["product_id"].astype(str) + "\0" + products["sha256"].fillna("").astype(str)
    numbers = pd.util.hash_array(words.to_numpy(dtype=object))
    return pd.Series(numbers).groupby(products["group"].to_numpy()).sum()
