"""Splits products into train, dev and test by brand."""

import hashlib

# Shares of the brands; the rest trains. They are fixed: a change would move brands between splits.
SHARES = {"test": 0.2, "dev": 0.2}


def split_of(brand: str) -> str:
    """Returns the split of a brand: "train", "dev" or "test".

    A stable hash of the name decides. New data therefore never move a brand, and no design is in
    two splits, since each design belongs to one brand.
    """
    place = int(hashlib.sha256(brand.encode()).hexdigest()[:8], 16) / 2**32
    for name, share in SHARES.items():
        if place < share:
            return name
        place -= share
    return "train"
