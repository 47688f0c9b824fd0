"""Groups as schema.org ProductGroup in JSON-LD, for the pages of a shop.

Rules: https://schema.org/ProductGroup and
https://developers.google.com/search/docs/appearance/structured-data/product-variants
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from ml.exports.rows import column

COLOUR = "https://schema.org/color"


def schema_org(rows: pd.DataFrame, path: Path) -> pd.DataFrame:
    """Writes one JSON-LD document with every group; nothing is left out.

    A text cannot end the script element of a page that holds the document.
    """
    texts = {name: column(rows, name) for name in ("title", "brand", "article_type", "colour")}
    rows = rows.assign(**texts)
    graph = [_group(str(name), group) for name, group in rows.groupby("group", sort=True)]
    document = {"@context": "https://schema.org", "@graph": graph}
    text = json.dumps(document, ensure_ascii=False, indent=1)
    for sign in "<>&\u2028\u2029":  # they stand within texts only
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    path.write_text(text + "\n", encoding="utf-8")
    return rows.iloc[:0][["product_id"]].assign(reason="")


def _group(name: str, group: pd.DataFrame) -> dict[str, Any]:
    first = group.iloc[0]
    return {
        "@type": "ProductGroup",
        "productGroupID": name,
        "name": _name(first),
        **_brand(first),
        "variesBy": [COLOUR],
        "hasVariant": [
            {
                "@type": "Product",
                "sku": str(product.product_id),
                "name": _name(product),
                "inProductGroupWithID": name,
                **({"color": product["colour"]} if product["colour"] else {}),
            }
            for _, product in group.iterrows()
        ],
    }


def _name(product: pd.Series) -> str:
    words = " ".join(one for one in (product["brand"], product["article_type"]) if one)
    return str(product["title"] or words or product["product_id"])


def _brand(product: pd.Series) -> dict[str, Any]:
    if not product["brand"]:
        return {}
    return {"brand": {"@type": "Brand", "name": product["brand"]}}
