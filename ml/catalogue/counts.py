"""The numbers by which people know a grouping."""

import pandas as pd


def counts_of(products: pd.DataFrame) -> dict[str, int]:
    """Counts what a grouping holds.

    Args:
        products: group, band, and problem: None for a readable picture.

    Returns:
        The numbers of products, of groups of two or more, of those among them to publish
        ("published"), of products in these groups ("grouped"), and of unreadable pictures.
    """
    several = products[in_groups(products)]
    return {
        "products": len(products),
        "groups": int(several["group"].nunique()),
        "published": int(several.loc[several["band"] == "publish", "group"].nunique()),
        "grouped": len(several),
        "unreadable": int(products["problem"].notna().sum()),
    }


def in_groups(products: pd.DataFrame) -> pd.Series:
    """Returns which products are in groups of two or more: bool.

    First groups give none to products whose pictures cannot be read, however many these are.

    Args:
        products: group, None for a product that has none.
    """
    return products["group"].notna() & products["group"].duplicated(keep=False)
