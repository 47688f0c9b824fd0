"""Lays the generated shop out like known public data, for the tests of `variants import`."""

import csv
import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


@dataclass(frozen=True)
class Good:
    """A product of the generated shop.

    Attributes:
        number: of the product, from 1.
        family: number of its design, from 1.
        place: number of the product in its design, from 0.
        picture: the bytes of its picture.
        row: its row of the catalogue.
    """

    number: int
    family: int
    place: int
    picture: bytes
    row: dict[str, str]


def goods_of(shop: Path) -> list[Good]:
    """The products of a generated shop; designs are components of its positive pairs."""
    catalog = pd.read_csv(shop / "catalog.csv", dtype=str, keep_default_na=False)
    pairs = pd.read_csv(shop / "pairs.csv", dtype=str)
    pairs = pairs[pairs["color_variants"] == "1"]
    place = {identity: number for number, identity in enumerate(catalog["product_id"])}
    ends = (pairs["left"].map(place), pairs["right"].map(place))
    graph = coo_array(([1] * len(pairs), ends), shape=(len(catalog), len(catalog)))
    families = connected_components(graph, directed=False)[1]
    within = pd.Series(families).groupby(families).cumcount()
    return [
        Good(number, int(family) + 1, int(one), (shop / row["image"]).read_bytes(), row)
        for number, (row, family, one) in enumerate(
            zip(catalog.to_dict("records"), families, within, strict=True), start=1
        )
    ]


def write_tree(layout: str, goods: list[Good], folder: Path, address: str) -> None:
    """Writes goods below a folder in a layout.

    Args:
        layout: name of the layout.
        goods: the products.
        folder: a new folder. Layouts that name pictures by URL have them in its folder web.
        address: of a server of the folder web, such as http://127.0.0.1:8000.
    """
    TREES[layout](goods, folder, address)


def put(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def table(file: Path, columns: str, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened, delimiter=delimiter)
        writer.writerow(columns.split())
        writer.writerows(rows)


def kaggle_fashion(goods: list[Good], folder: Path, address: str) -> None:
    lines = [
        "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,"
        "productDisplayName"
    ]
    for good in goods:
        row = good.row
        values = (good.number, row["gender"], "Apparel", "Topwear", row["article_type"])
        more = (row["base_colour"], row["season"], 2012, "Casual", f"{row['title']}, in store, now")
        lines.append(",".join(map(str, (*values, *more))))
        put(folder / f"images/{good.number}.jpg", good.picture)
        brand = json.dumps({"data": {"brandName": row["brand"]}})
        put(folder / f"styles/{good.number}.json", brand.encode())
    put(folder / "styles.csv", "\n".join(lines).encode())


def hm(goods: list[Good], folder: Path, address: str) -> None:
    rows = []
    for good in goods:
        row, code = good.row, f"{good.family:07d}"
        identity = f"{code}{good.place + 1:03d}"
        group = "Menswear" if row["gender"] == "Men" else "Ladieswear"
        rows.append((identity, code, row["title"], row["article_type"], group, row["base_colour"]))
        put(folder / f"images/{identity[:3]}/{identity}.jpg", good.picture)
    names = "article_id product_code prod_name product_type_name index_group_name colour_group_name"
    table(folder / "articles.csv", names, rows)


def deepfashion_inshop(goods: list[Good], folder: Path, address: str) -> None:
    for good in goods:
        gender, kind = good.row["gender"].upper(), good.row["article_type"].replace(" ", "_")
        item = folder / f"Img/img/{gender}/{kind}/id_{good.family:08d}"
        for view in ("1_front", "4_full"):
            put(item / f"{good.place + 1:02d}_{view}.jpg", good.picture)


def abo(goods: list[Good], folder: Path, address: str) -> None:
    listings, images = [], []
    for good in goods:
        names = {"brand": "brand", "item_name": "title", "color": "base_colour"}
        values = {
            name: [{"language_tag": "en_IN", "value": good.row[column]}]
            for name, column in names.items()
        }
        kind = good.row["article_type"].upper()
        listing = {"item_id": f"B{good.number:09d}", "product_type": [{"value": kind}], **values}
        listings.append(json.dumps(listing | {"main_image_id": f"i{good.number}"}))
        path = f"{good.number % 16:02x}/i{good.number}.jpg"
        images.append((f"i{good.number}", 224, 224, path))
        put(folder / "images/small" / path, good.picture)
    packed = gzip.compress("\n".join(listings).encode())
    put(folder / "listings/metadata/listings_0.json.gz", packed)
    table(folder / "images/metadata/images.csv", "image_id height width path", images)


def magento(goods: list[Good], folder: Path, address: str) -> None:
    rows: list[tuple[str, ...]] = []
    variations: dict[int, list[str]] = {}
    titles: dict[int, Good] = {}
    for good in goods:
        name = f"f{good.family}-{good.row['base_colour'].lower().replace(' ', '')}{good.place}"
        image = f"/f/{good.family % 10}/{name}_main.jpg"
        put(folder / f"pub/media/catalog/product{image}", good.picture)
        for size in ("S", "M"):
            sku = f"F{good.family}-{size}-{good.place}"
            colour = f"color={good.row['base_colour']} {good.place},size={size}"
            rows.append((sku, "simple", "Top", "", sku, colour, image, "", ""))
            variations.setdefault(good.family, []).append(f"sku={sku},{colour}")
        titles[good.family] = good
    for family, good in titles.items():
        row = good.row
        category = f"Default Category/{row['gender']}/{row['article_type']}"
        brand, joined = f"manufacturer={row['brand']}", "|".join(variations[family])
        parent = (f"F{family}", "configurable", "Top", category, row["title"], brand)
        rows.append((*parent, "", "", joined))
    names = (
        "sku product_type attribute_set_code categories name additional_attributes base_image "
        "additional_images configurable_variations"
    )
    table(folder / "export.csv", names, rows)


def shopify(goods: list[Good], folder: Path, address: str) -> None:
    first: set[int] = set()
    rows: list[tuple[str, ...]] = []
    for good in goods:
        row, url = good.row, f"{address}/{good.number}.jpg?v=1"
        put(folder / f"web/{good.number}.jpg", good.picture)
        colour = f"{row['base_colour']} {good.place}"
        about = (row["title"], row["brand"], row["article_type"], row["gender"], "Color")
        own = about if good.family not in first else ("",) * 5
        first.add(good.family)
        rows.append((f"f{good.family}", *own, colour, "Size", "S", f"S{good.number}", url, url))
    columns = (
        *("Handle", "Title", "Vendor", "Type", "Tags", "Option1 Name", "Option1 Value"),
        *("Option2 Name", "Option2 Value", "Variant SKU", "Variant Image", "Image Src"),
    )
    frame = pd.DataFrame(sorted(rows, key=lambda one: (one[0], not one[1])), columns=columns)
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "products_export.csv", index=False)


def google_merchant(goods: list[Good], folder: Path, address: str) -> None:
    rows = []
    for good in goods:
        row = good.row
        put(folder / f"web/{good.number}.jpg", good.picture)
        colour = f"{row['base_colour']} {good.place}"
        gender = "male" if row["gender"] == "Men" else "female"
        kind, url = f"Apparel > {row['article_type']}", f"{address}/{good.number}.jpg"
        for size in ("S", "M"):
            about = (f"{good.number}{size}", row["title"], row["brand"], gender, kind, colour)
            rows.append((*about, size, url, f"G{good.family}"))
    names = "id title brand gender product_type color size image_link item_group_id"
    table(folder / "feed.tsv", names, rows, delimiter="\t")


TREES: dict[str, Callable[[list[Good], Path, str], None]] = {
    "kaggle-fashion": kaggle_fashion,
    "hm": hm,
    "deepfashion-inshop": deepfashion_inshop,
    "abo": abo,
    "magento": magento,
    "shopify": shopify,
    "google-merchant": google_merchant,
}
