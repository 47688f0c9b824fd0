"""Splits products into train, dev and test, so that no design is in two splits.

Brands are split if the catalogue has brands enough, design families otherwise. A stable hash of
the name decides, so new products never move those that are there.
"""

import hashlib
import re
import unicodedata
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from ml.data.schema import BLOCK

# Shares of the brands or families; the rest trains. They are fixed: a change would move products
# between splits.
SHARES = {"test": 0.2, "dev": 0.2}
SPLITS = ("train", "dev", "test")
# English, with words that qualify a colour. Those of other languages are known where the product's
# own base_colour says them.
COLOUR_WORDS = frozenset(
    Path(__file__).with_name("colour_words.txt").read_text(encoding="utf-8").split()
)
WORD = re.compile(r"[^\W_]+")

SplitBy = Literal["brand", "design_family", "product"]
# What metrics on the test split prove, in the words of reports and of the gate's decision.
PROVES: dict[str, str] = {
    "brand": "products of brands never seen in training",
    "design_family": "products of designs never seen in training, of brands that were seen: on new "
    "brands expect less",
    "product": "products never seen in training, while other colours of their designs may have "
    "been: on new designs and brands expect less",
}


def split_of(name: str) -> str:
    """Returns the split of a brand or design family: "train", "dev" or "test"."""
    place = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32
    for split, share in SHARES.items():
        if place < share:
            return split
        place -= share
    return "train"


def choose_split_by(catalog: pd.DataFrame) -> SplitBy:
    """Decides what is split, for the first snapshot of a shop.

    Brands are, if each split gets a brand. Otherwise design families are, if half of the products
    or more have one, and single products if not. Later snapshots keep the choice of the first, so
    that products do not change their split when brands are added.

    Args:
        catalog: brand, and what `design_families` uses.
    """
    brands = pd.Series(catalog["brand"].dropna().unique(), dtype=object)
    if set(brands.map(split_of)) == set(SPLITS):
        return "brand"
    known = design_families(catalog).str.startswith("product").mean() <= 0.5
    return "design_family" if known else "product"


def split_products(products: pd.DataFrame, by: str) -> pd.Series:
    """Returns the split of each product: "train", "dev" or "test".

    Args:
        products: brand (none missing), and what `design_families` uses.
        by: a `SplitBy`. Single products are split in the same way as design families, of which each
            product without any other is one.

    Raises:
        ValueError: `by` is none of them.
    """
    if by not in get_args(SplitBy):
        raise ValueError(f"'{by}' cannot be split by")
    names = products["brand"] if by == "brand" else design_families(products)
    return names.map(split_of)


def design_families(products: pd.DataFrame) -> pd.Series:
    """Names the design family of each product, which probably holds all colours of a design.

    It is the value of the column design_family, if the shop has this column; else the title without
    colour words, within the block; else the product itself.

    Args:
        products: product_id, brand, gender, article_type; optionally design_family, title,
            base_colour.

    Returns:
        The names, with the index of `products`. They begin with "family", "title" or "product".
    """
    columns = ("product_id", "design_family", "title", "base_colour", *BLOCK)
    values = [
        products[name] if name in products else pd.Series(None, products.index, dtype=object)
        for name in columns
    ]
    names = [_family(*row) for row in zip(*values, strict=True)]
    return pd.Series(names, products.index, dtype=object)


def _family(
    product_id: object, family: object, title: object, colour: object, *block: object
) -> str:
    if isinstance(family, str):
        return f"family\x1f{family}"
    if isinstance(title, str):
        own = words_of(colour) if isinstance(colour, str) else []
        kept = [word for word in words_of(title) if word not in COLOUR_WORDS and word not in own]
        if kept:
            return "\x1f".join(["title", *map(str, block), " ".join(kept)])
    return f"product\x1f{product_id}"


def words_of(text: str) -> list[str]:
    """Returns the words of a text without case, accents and punctuation."""
    bare = "".join(
        one
        for one in unicodedata.normalize("NFKD", text.casefold())
        if not unicodedata.combining(one)
    )
    return WORD.findall(bare)
