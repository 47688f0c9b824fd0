"""The formats by name, and how one is written."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ml.core.errors import UserError, visible
from ml.core.files import replacing
from ml.exports.akeneo import akeneo_models, akeneo_products
from ml.exports.feed import google, meta
from ml.exports.rows import rows_of
from ml.exports.schema_org import schema_org
from ml.exports.shopify import shopify, shopify_parents

Writer = Callable[[pd.DataFrame, Path], pd.DataFrame]  # returns what is left out, with reasons
EXPORTS: dict[str, Writer] = {
    "google": google,
    "meta": meta,
    "schema-org": schema_org,
    "shopify-parents": shopify_parents,
    "shopify": shopify,
    "akeneo-models": akeneo_models,
    "akeneo-products": akeneo_products,
}
PUBLISH = ("publish",)


def check_format(name: str) -> None:
    """Refuses the name of no format.

    Raises:
        UserError: there is no such format.
    """
    if name not in EXPORTS:
        raise UserError(f"there is no export {visible(name)}; there are: {', '.join(EXPORTS)}")


def write_export(
    name: str, groups: pd.DataFrame, path: Path, bands: tuple[str, ...] = PUBLISH
) -> tuple[int, pd.DataFrame]:
    """Writes groups of two or more in the format of this name.

    Args:
        groups: product_id, group (an id of letters, digits, "_" and "-"), band, representative
            (bool), and maybe brand, article_type, title, colour.
        bands: only groups of these bands go out.

    Returns:
        The number of products written; and product_id and reason of those that the format cannot
        hold.

    Raises:
        UserError: there is no such format, or no group to write.
    """
    check_format(name)
    rows = rows_of(groups, bands)
    if rows.empty:
        more = "; --band review adds those to review" if bands == PUBLISH else ""
        raise UserError(f"no group of two or more products is in the band {bands[-1]}{more}")
    with replacing(path) as beside:
        left_out = EXPORTS[name](rows, beside)
    return len(rows) - len(left_out), left_out
