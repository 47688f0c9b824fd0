"""Groups as product models of Akeneo, CSV with semicolons.

Two files: product models (code, family_variant), and products (sku, parent) to import after them.
Rules: https://docs.akeneo.com/master/import_and_export_data/formats/product_model.html and
.../product.html
"""

import re
from pathlib import Path

import pandas as pd

from ml.exports.rows import column, fitting, spreadsheet_fault


def akeneo_models(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes a product model for each group; nothing is left out.

    The family variant is `<article type>_by_color`, which must be there in Akeneo.
    """
    first = rows.groupby("group", sort=True).head(1)
    variants = column(first, "article_type").map(_family_variant)
    models = pd.DataFrame({"code": first["group"], "family_variant": variants})
    models.to_csv(path, sep=";", index=False, lineterminator="\n")
    return rows.iloc[:0][["product_id"]].assign(reason="")


def akeneo_products(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes the model of each product; returns product_id and reason of what is left out."""
    held, left_out = fitting(rows, _fault)
    products = pd.DataFrame({"sku": held["product_id"], "parent": held["group"]})
    products.to_csv(path, sep=";", index=False, lineterminator="\n")
    return left_out


def _fault(product_id: str) -> str | None:
    if "," in product_id or ";" in product_id:  # Akeneo's rule for identifiers
        return "Akeneo takes no comma or semicolon in an identifier"
    return spreadsheet_fault(product_id)


def _family_variant(article_type: str) -> str:
    """Makes a code of letters, digits and underscores, the only ones that Akeneo takes."""
    return f"{re.sub('[^a-z0-9]+', '_', article_type.lower()).strip('_') or 'product'}_by_color"
