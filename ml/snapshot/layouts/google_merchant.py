"""A product feed of Google Merchant Center: tab-separated text, CSV, RSS 2.0 or Atom.

https://support.google.com/merchants/answer/7052112

It expects one file *.tsv, *.txt, *.csv or *.xml, or several, or is such a file. The attributes id,
title, brand and color become product_id, title, brand and base_colour. The gender is that of
`gender` and `age_group`. The article type is the last part of product_type, else of
google_product_category. image_link and additional_image_link are the pictures, as URLs. The items
of one item_group_id are a design family, and the sizes of one colour in it are one product.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from ml.core.errors import UserError
from ml.snapshot.layouts.base import Layout, Log, Picture, Product, text
from ml.snapshot.layouts.colourways import Offer, join_sizes
from ml.snapshot.layouts.files import find_files, need_columns, read_file, read_table
from ml.snapshot.layouts.genders import gender_in

COLUMNS = ("id", "image_link")
CHILDREN = {"Women": "Girls", "Men": "Boys"}
AGES = ("newborn", "infant", "toddler", "kids")

Item = dict[str, list[str]]  # attribute → its values


def read(source: Path, log: Log) -> Iterable[Product]:
    """Reads the products; see `Layout`."""
    files = find_files(source, "*", ".tsv", ".txt", ".csv", ".xml")
    return join_sizes(_offer(item, where) for file in files for where, item in _items(file))


def _items(file: Path) -> Iterator[tuple[str, Item]]:
    """The items of a feed, each with its place for messages."""
    if file.suffix == ".xml":
        items = _xml_items(read_file(file), file)
        yield from ((f"'{file}', item {n}", item) for n, item in enumerate(items, start=1))
        return
    table = read_table(file, (), delimiter=None if file.suffix == ".csv" else "\t")
    table.columns = [_attribute(str(column)) for column in table.columns]
    need_columns(table, COLUMNS, file)
    for line, row in zip(table.index, table.to_dict("records"), strict=True):
        item = {str(name): [value] for name, value in row.items() if value is not None}
        item["additional_image_link"] = (row.get("additional_image_link") or "").split(",")
        yield f"'{file}', line {line}", item


def _offer(item: Item, where: str) -> Offer:
    def value(name: str) -> str | None:
        return text(next(iter(item.get(name, [])), None))

    identity = value("id")
    if identity is None:
        raise UserError(f"{where}: the id is missing")
    links = [*item.get("image_link", [])[:1], *item.get("additional_image_link", [])]
    gender = gender_in(value("gender"))
    if value("age_group") in AGES:
        gender = CHILDREN.get(gender or "", "Kids")
    kind = value("product_type") or value("google_product_category") or ""
    return Offer(
        identity,
        value("item_group_id"),
        Product(
            "",
            tuple(Picture(link.strip()) for link in dict.fromkeys(links) if link.strip()),
            value("brand"),
            gender,
            text(kind.split(">")[-1]),
            value("title"),
            value("color"),
        ),
    )


def _attribute(name: str) -> str:
    """An attribute's name without the prefix of its namespace: `g:image link` is image_link."""
    return name.rpartition("}")[2].rpartition(":")[2].strip().lower().replace(" ", "_")


def _xml_items(content: bytes, file: Path) -> Iterator[Item]:
    """The items of RSS, or the entries of Atom.

    Raises:
        UserError: it is no XML, or holds a document type: its entities could unpack without end, or
            name files of this machine.
    """
    _refuse_document_types(content, file)
    root = ElementTree.fromstring(content)
    for element in root.iter():
        if _attribute(str(element.tag)) in ("item", "entry"):
            item: Item = defaultdict(list)
            for child in element:
                item[_attribute(str(child.tag))].append((child.text or "").strip())
            yield item


def _refuse_document_types(content: bytes, file: Path) -> None:
    def refuse(*declaration: object) -> None:
        raise UserError(
            f"'{file}' declares a document type (<!DOCTYPE …>), which no feed needs: remove it"
        )

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise UserError(f"'{file}' is not valid XML: {error}") from error


LAYOUT = Layout(read)
