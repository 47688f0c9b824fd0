"""Kaggle *Fashion Product Images* (44,000 products of Myntra), in its large and its small edition.

https://www.kaggle.com/datasets/paramaggarwal/fashion-product-images-dataset

It expects styles.csv, images/ID.jpg and, in the large edition, styles/ID.json. The column id
becomes product_id; gender, articleType, baseColour and productDisplayName become gender,
article_type, base_colour and title; masterCategory, subCategory, season, year and usage are kept.
The brand is `data.brandName` of styles/ID.json, else the first word of the title. A title may hold
commas without quotes. The data do not say which products are variants, so there are no pairs.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.files import find_file, read_file, read_table
from ml.snapshot.shop_paths import inside, refuse_links

COLUMNS = ("id", "gender", "articleType", "baseColour", "productDisplayName")
MORE = {
    "masterCategory": "master_category",
    "subCategory": "sub_category",
    "season": "season",
    "year": "year",
    "usage": "usage",
}


def read(source: Path, log: Log) -> Iterator[Product]:
    """Reads the products; see `Layout`."""
    table = read_table(find_file(source, "styles.csv"), COLUMNS, surplus="last")
    guessed = 0
    for row in table.to_dict("records"):
        identity = text(row["id"])
        if identity is None:
            raise UserError(f"'{source}/styles.csv' has a row without an id")
        title = text(row["productDisplayName"])
        brand = _brand(source, identity)
        if brand is None and title is not None:
            brand = title.split()[0]
            guessed += 1
        yield Product(
            identity,
            (Picture(f"{identity}.jpg"),),
            brand,
            text(row["gender"]),
            text(row["articleType"]),
            title,
            text(row["baseColour"]),
            more={ours: text(row.get(theirs)) for theirs, ours in MORE.items()},
        )
    if guessed:
        log(
            f"warning: the brand of {guessed} products is the first word of their title, since "
            "styles/ID.json does not name it: “Peter England …” becomes “Peter”"
        )


def _brand(source: Path, identity: str) -> str | None:
    """The brand in a product's own file, or None if there is no such file or it is broken."""
    path = source / "styles" / inside(f"{identity}.json", str(source))
    if not path.is_file():
        return None
    refuse_links(source, path, str(source))
    try:
        content = json.loads(read_file(path))
        return text(content["data"]["brandName"])
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


LAYOUT = Layout(read, "images")
