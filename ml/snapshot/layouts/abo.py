"""*Amazon Berkeley Objects* (147,000 listings, 398,000 pictures).

https://amazon-berkeley-objects.s3.amazonaws.com/index.html

It expects listings/metadata/listings_*.json.gz (JSON lines, packed or not),
images/metadata/images.csv.gz (packed or not) and images/small/PATH. The fields item_id, brand,
product_type, item_name and color become product_id, brand, article_type, title and base_colour;
values in English are taken where there are several. main_image_id and other_image_id are the
pictures. A gender and design families are not known, so there are no pairs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.files import find_file, find_files, read_lines, read_table

IMAGES = ("images/metadata/images.csv.gz", "images/metadata/images.csv")


def read(source: Path, log: Log) -> Iterator[Product]:
    """Reads the products; see `Layout`."""
    files = find_files(source, "listings/metadata/listings_*", ".json.gz", ".json")
    table = read_table(find_file(source, *IMAGES), ("image_id", "path"))
    paths = dict(zip(table["image_id"], table["path"], strict=True))
    unknown = 0
    for file in files:
        for number, line in enumerate(read_lines(file), start=1):
            if not line.strip():
                continue
            listing = _listing(line, f"'{file}', line {number}")
            ids = [listing.get("main_image_id"), *_list(listing.get("other_image_id"))]
            named = list(dict.fromkeys(one for one in ids if isinstance(one, str)))
            known = [one for one in named if paths.get(one)]
            unknown += len(named) - len(known)
            main = listing.get("main_image_id")
            yield Product(
                text(listing["item_id"]) or "",
                tuple(Picture(paths[one], "main" if one == main else "") for one in known),
                _value(listing.get("brand")),
                article_type=_value(listing.get("product_type")),
                title=_value(listing.get("item_name")),
                base_colour=_value(listing.get("color")),
            )
    if unknown:
        log(f"left out: {unknown} pictures that images.csv does not list")


def _listing(line: bytes, where: str) -> dict[str, Any]:
    try:
        listing = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: this is no JSON: {error}") from error
    if not isinstance(listing, dict) or not text(listing.get("item_id")):
        raise UserError(f"{where}: this is no listing with an item_id")
    return listing


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _value(values: object) -> str | None:
    """The first value in English, else the first one."""
    known = [one for one in _list(values) if isinstance(one, dict)]
    known.sort(key=lambda one: not str(one.get("language_tag", "")).startswith("en"))
    return next(filter(None, (text(one.get("value")) for one in known)), None)


LAYOUT = Layout(read, "images/small")
