"""A CSV export of products from Magento 2, such as that of its sample data.

https://github.com/magento/magento2-sample-data

It expects one or more *.csv (columns sku, product_type, name, additional_attributes, base_image,
configurable_variations, additional_images) and pub/media/catalog/product/m/h/mh01-black_main.jpg.
A configurable product is a design family, and the simple products in its configurable_variations
are its sizes and colours: the sizes of one colour become one product. name becomes title; the
colour is `color` in additional_attributes, else in configurable_variations, else the word after the
hyphen of the picture's name. The brand is `brand` or `manufacturer` in additional_attributes;
gender and article_type come from categories (Default Category/Men/Tops/Jackets), the latter else
from attribute_set_code.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.colourways import Offer, join_sizes
from ml.snapshot.layouts.files import find_files, read_table
from ml.snapshot.layouts.genders import gender_in

COLUMNS = ("sku", "product_type", "name", "base_image")
MEDIA = "pub/media/catalog/product"
# The word for the colour in mh01-black_main.jpg; a copy is named mh01-black_main_1.jpg.
IN_NAME = re.compile(r"-(?P<colour>[a-z]+)(?:_(?P<view>[a-z]+)\w*)?(?:_\d+)?\.\w+$", re.I)
ROLES = {"main": "main", "back": "back", "side": "side", "detail": "detail", "model": "worn"}

Row = dict[Any, Any]


def read(source: Path, log: Log) -> Iterable[Product]:
    """Reads the products; see `Layout`."""
    rows: dict[str, Row] = {}
    for file in find_files(source, "*", ".csv"):
        table = read_table(file, COLUMNS)
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            if text(row["sku"]) is None:
                raise UserError(f"'{file}', line {line}: the sku is missing")
            # A row with a store view holds translations of the row before.
            if row.get("store_view_code") in (None, "default", "all", "admin"):
                rows.setdefault(row["sku"], row)
    return join_sizes(_offers(rows, log))


def _offers(rows: dict[str, Row], log: Log) -> Iterator[Offer]:
    parents: dict[str, tuple[Row, dict[str, str]]] = {}
    unknown = 0
    for row in rows.values():
        for variation in _variations(row.get("configurable_variations")):
            unknown += variation.get("sku") not in rows
            parents.setdefault(variation.get("sku", ""), (row, variation))
    if unknown:
        log(f"left out: {unknown} variations of configurable products that no row describes")
    for sku, row in rows.items():
        if row["product_type"] != "simple":
            continue
        parent, variation = parents.get(sku, ({}, {}))
        attributes = _attributes(parent.get("additional_attributes")) | _attributes(
            row.get("additional_attributes")
        )
        pictures = _pictures(row) or _pictures(parent)
        named = IN_NAME.search(pictures[0].image) if pictures else None
        product = Product(
            "",
            tuple(pictures),
            text(attributes.get("brand")) or text(attributes.get("manufacturer")),
            title=text(parent.get("name")) or text(row["name"]),
            base_colour=text(attributes.get("color"))
            or text(variation.get("color"))
            or (text(named["colour"]) if named else None),
        )
        gender, kind = _kind(parent.get("categories") or row.get("categories"))
        kind = kind or text(row.get("attribute_set_code"))
        product = replace(product, gender=gender, article_type=kind)
        yield Offer(text(sku) or sku, text(parent.get("sku")), product)


def _variations(value: str | None) -> Iterator[dict[str, str]]:
    """The variations in `sku=MH01-XS-Black,size=XS,color=Black|sku=…`."""
    for variation in (value or "").split("|"):
        if "sku=" in variation:
            yield _attributes(variation)


def _attributes(value: str | None) -> dict[str, str]:
    """The attributes in `color=Black,size=XS`, where each may be in quotes, as may each value.

    A comma within a value is followed by no name and sign.
    """
    found: dict[str, str] = {}
    last = ""
    for part in (value or "").split(","):
        name, sign, content = part.strip().strip('"').partition("=")
        if sign:
            last = name.strip()
            found[last] = content.strip('"')
        elif last:
            found[last] += f",{part}"
    return found


def _pictures(row: Row) -> list[Picture]:
    named = [row.get("base_image"), *(row.get("additional_images") or "").split(",")]
    images = [(one or "").strip().lstrip("/") for one in named]
    pictures = []
    for image in dict.fromkeys(filter(None, images)):
        if image == "no_selection":  # Magento's word for no picture
            continue
        name = IN_NAME.search(image)
        pictures.append(Picture(image, ROLES.get((name["view"] or "").lower(), "") if name else ""))
    return pictures


def _kind(categories: str | None) -> tuple[str | None, str | None]:
    """Gender and article type, of the first path of categories that names a gender."""
    paths = [path.split("/") for path in (categories or "").split(",")]
    for path in paths:
        for part in path:
            if (gender := gender_in(part)) is not None:
                return gender, text(path[-1]) if path[-1] != part else None
    return None, text(max(paths, key=len)[-1])


LAYOUT = Layout(read, MEDIA)
