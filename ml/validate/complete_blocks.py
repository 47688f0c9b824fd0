"""Complete blocks: every product of a block is assigned to its design, so none is selected.

Annotated pairs are selected: people pair what looks alike. Complete blocks hold variants as rarely
as the catalogue does.
"""

import pandas as pd

from ml.data.blocks import block_numbers, fill_unknown


def describe_blocks(blocks: pd.DataFrame, catalog: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Lists the products of the blocks that were looked at, with two columns that the suite checks.

    Args:
        blocks: product_id and design, no product twice.
        catalog: product_id, brand, gender, article_type.
        known: ids of the usable products.

    Returns:
        product_id, design, known (the product is usable) and assigned (it has a design). After the
        rows of `blocks` come the usable products of the same blocks that have none.
    """
    usable = _usable(catalog, known)
    begun = usable.loc[usable.isin(usable[usable.index.isin(blocks["product_id"])])].index
    rest = begun[~begun.isin(blocks["product_id"])]
    table = pd.concat(
        [blocks[["product_id", "design"]], pd.DataFrame({"product_id": rest, "design": None})],
        ignore_index=True,
    )
    table["known"] = table["product_id"].isin(known)
    table["assigned"] = table["design"].notna()
    return table


def complete_blocks(blocks: pd.DataFrame, catalog: pd.DataFrame, known: set[str]) -> pd.DataFrame:
    """Returns product_id and design of the usable products of whole blocks.

    Args:
        blocks, catalog, known: as of `describe_blocks`. A block with a usable product that `blocks`
            does not assign is left out.
    """
    table = describe_blocks(blocks, catalog, known)
    table = table[table["known"]]
    block = table["product_id"].map(_usable(catalog, known))
    whole = table["assigned"].groupby(block).transform("all")
    return table.loc[whole.astype(bool), ["product_id", "design"]].reset_index(drop=True)


def _usable(catalog: pd.DataFrame, known: set[str]) -> pd.Series:
    """Returns the number of each usable product's block, by product_id."""
    usable = fill_unknown(catalog[catalog["product_id"].isin(known)])
    return pd.Series(block_numbers(usable), usable["product_id"].to_numpy())
