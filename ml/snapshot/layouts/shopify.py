"""A CSV export of products from Shopify.

https://help.shopify.com/en/manual/products/import-export/using-csv

It expects one or more *.csv, or is such a file. The rows of one Handle are one product in Shopify.
If it has an option named Color or Colour, each value of it becomes a product here, and the Handle
is the design family; sizes are no products. Otherwise the Handle is one product, of which no
variants are known. Vendor becomes brand, Title title, Type (else the last part of Product Category)
article_type. The gender is that of “Google Shopping / Gender”, else the first one in the Tags, else
in Product Category. The pictures are URLs: Variant Image of the colour's variants, and for a Handle
of one colour also its gallery, Image Src, in the order of Image Position.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.colourways import Offer, join_sizes
from ml.snapshot.layouts.files import find_files, read_table
from ml.snapshot.layouts.genders import gender_in

COLUMNS = ("Handle", "Title", "Vendor", "Image Src")
COLOUR = ("color", "colour")
OPTIONS = (1, 2, 3)

Row = dict[Any, Any]


def read(source: Path, log: Log) -> Iterable[Product]:
    """Reads the products; see `Layout`."""
    handles: dict[str, list[Row]] = {}
    for file in find_files(source, "*", ".csv"):
        table = read_table(file, COLUMNS)
        for line, row in zip(table.index, table.to_dict("records"), strict=True):
            if text(row["Handle"]) is None:
                raise UserError(f"'{file}', line {line}: the Handle is missing")
            handles.setdefault(row["Handle"], []).append(row)
    products = join_sizes(offer for rows in handles.values() for offer in _offers(rows))
    bare = [one.product_id for one in products if one.design_family and not one.pictures]
    if bare:
        log(
            f"warning: {len(bare)} colours, such as {bare[0]}, have no Variant Image; the other "
            "pictures of their Handle may show any of its colours"
        )
    return products


def _offers(rows: list[Row]) -> Iterator[Offer]:
    """The variants of one Handle, whose first row holds what is true for all."""
    first = rows[0]
    handle = text(first["Handle"]) or ""
    product = Product(
        "",
        tuple(map(Picture, _gallery(rows))),
        text(first["Vendor"]),
        _gender(first),
        text(first.get("Type")) or _leaf(first.get("Product Category")),
        text(first["Title"]),
    )
    options = [n for n in OPTIONS if (first.get(f"Option{n} Name") or "").casefold() in COLOUR]
    column = f"Option{options[0]} Value" if options else ""
    variants = [(row, colour) for row in rows if (colour := text(row.get(column)))]
    if not variants:
        yield Offer(handle, None, product)
        return
    gallery = product.pictures if len({colour.casefold() for _, colour in variants}) == 1 else ()
    for row, colour in variants:
        own = _url(row.get("Variant Image"))
        pictures = (*((Picture(own),) if own else ()), *gallery)
        identity = text(row.get("Variant SKU")) or f"{handle}-{colour}"
        yield Offer(identity, handle, replace(product, base_colour=colour, pictures=pictures))


def _gallery(rows: list[Row]) -> list[str]:
    """The pictures of a Handle in their order."""
    found = [(_position(row), url) for row in rows if (url := _url(row["Image Src"]))]
    return [url for _, url in sorted(found, key=lambda one: one[0])]


def _position(row: Row) -> int:
    written = row.get("Image Position") or ""
    return int(written) if written.isdecimal() and len(written) < 9 else 0


def _url(value: str | None) -> str | None:
    """A picture's URL; one without a scheme, as pages of shops name them, is of https."""
    return f"https:{value}" if value and value.startswith("//") else value


def _leaf(category: str | None) -> str | None:
    return text((category or "").split(">")[-1])


def _gender(row: Row) -> str | None:
    stated = row.get("Google Shopping / Gender")
    tags = (row.get("Tags") or "").split(",")
    named = (gender_in(words) for words in (stated, *tags, row.get("Product Category")))
    return next(filter(None, named), None)


LAYOUT = Layout(read)
