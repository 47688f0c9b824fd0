"""Writes products of a layout as a shop in the public data format."""

import csv
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ml.core.errors import UserError, visible
from ml.core.files import replacing
from ml.core.progress import Advance, progress
from ml.data.schema import CATALOG_COLUMNS
from ml.snapshot.layouts.base import Log, Picture, Product, load_layout
from ml.snapshot.layouts.pairs import COLUMNS, PairRow, make_pairs
from ml.snapshot.shop_paths import inside, is_web, refuse_links

OPTIONAL = ("title", "base_colour", "design_family")
EXAMPLES = 3  # ids that a message names


@dataclass(frozen=True)
class Imported:
    """What an import has written.

    Attributes:
        products, pictures, urls: how many; URLs are pictures that are not fetched yet.
        variants, others: how many annotated pairs of variants, and of different designs.
    """

    products: int
    pictures: int
    urls: int
    variants: int
    others: int


def import_layout(name: str, source: Path, out: Path, log: Log) -> Imported:
    """Reads public data of a known layout and writes them as a shop.

    Pictures become hard links where source and target share a disk, and copies otherwise. URLs stay
    URLs. A product that comes twice is taken once, and one without a picture is left out.

    Args:
        name: of the layout.
        source: its folder, or its file.
        out: a new or empty folder; it is written whole or not at all.
        log: called with what was guessed, mended or left out.

    Raises:
        UserError: there is no such layout; the source is not laid out so; no product has a picture;
            a picture is a symbolic link or leaves the source; or `out` is not empty or cannot be
            written.
    """
    layout = load_layout(name)

    def say(line: str) -> None:
        log(visible(line))  # ids and file names are words of a shop

    if not source.exists():
        raise UserError(f"there is no '{source}': give the folder or file of the data to import")
    if out.is_symlink() or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise UserError(f"'{out}' is not empty, or is no folder: give a new or empty folder")
    source, out = source.resolve(), out.resolve()
    products = _once(layout.read(source, say), say)
    folder = source / layout.pictures if layout.pictures else None
    if folder is not None and not folder.is_dir():
        raise UserError(f"'{source}' has no folder {layout.pictures}, which holds the pictures")
    try:
        with replacing(out) as beside:
            beside.mkdir(parents=True)
            with progress("import pictures", len(products), "products") as advance:
                kept = _with_pictures(products, folder, beside, say, advance)
            if not kept:
                raise UserError(
                    f"none of the {len(products)} products of '{source}' has a picture"
                    + (f" in {layout.pictures}" if layout.pictures else "")
                )
            pairs = make_pairs(kept, name)
            _write(beside, kept, pairs)
    except OSError as error:
        raise UserError(f"the shop '{out}' cannot be written: {error}") from error
    images = {one.image for product in kept for one in product.pictures}
    urls = sum(is_web(image) for image in images)
    variants = sum(pair[2] for pair in pairs)
    return Imported(len(kept), len(images) - urls, urls, variants, len(pairs) - variants)


def _once(products: Iterable[Product], log: Log) -> list[Product]:
    """The products without those whose id came before."""
    found: dict[str, Product] = {}
    again: Counter[str] = Counter()
    for product in products:
        if product.product_id in found:
            again[product.product_id] += 1
        else:
            found[product.product_id] = product
    if again:
        log(f"left out: {again.total()} products whose id came before: {_named(list(again))}")
    return list(found.values())


def _with_pictures(
    products: Sequence[Product], folder: Path | None, out: Path, log: Log, advance: Advance
) -> list[Product]:
    """Takes the pictures over; returns the products that have one, with paths in the shop.

    Without a folder only URLs are pictures: what a feed names may be any file of this machine.
    """
    kept, bare, stored, missing = [], [], set[str](), 0
    for product in products:
        pictures: dict[str, Picture] = {}
        for one in product.pictures:
            if is_web(one.image):
                pictures.setdefault(one.image, one)
                continue
            if folder is None:
                missing += 1
                continue
            path = inside(one.image, str(folder))
            image = f"images/{path}"
            if image not in stored:
                file = folder / path
                refuse_links(folder, file, str(folder))
                if not file.is_file():
                    missing += 1
                    continue
                _store(file, out / image)
                stored.add(image)
            pictures.setdefault(image, replace(one, image=image))
        if pictures:
            kept.append(replace(product, pictures=tuple(pictures.values())))
        else:
            bare.append(product.product_id)
        advance()
    if bare:
        log(f"left out: {len(bare)} products without a picture: {_named(bare)}")
    if missing > len(bare):
        log(f"left out: {missing} pictures that are missing")
    return kept


def _store(file: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(file, place, follow_symlinks=False)
    except OSError:  # another disk, or one without hard links
        shutil.copyfile(file, place)


def _write(folder: Path, products: Sequence[Product], pairs: Sequence[PairRow]) -> None:
    more = list(dict.fromkeys(name for product in products for name in product.more))
    optional = [name for name in OPTIONAL if any(getattr(one, name) for one in products)]
    rows: list[Sequence[object]] = []
    pictures: list[Sequence[object]] = []
    for one in products:
        row = [one.product_id, one.pictures[0].image, *one.block]
        row += [getattr(one, name) for name in optional]
        rows.append([*row, *(one.more.get(name) for name in more)])
        if len(one.pictures) > 1:
            for position, picture in enumerate(one.pictures, start=1):
                pictures.append((one.product_id, picture.image, picture.role, position))
    _table(folder / "catalog.csv", [*CATALOG_COLUMNS, *optional, *more], rows)
    if pictures:
        _table(folder / "pictures.csv", ["product_id", "image", "role", "position"], pictures)
    if pairs:
        _table(folder / "pairs.csv", COLUMNS, pairs)


def _table(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)


def _named(ids: Sequence[str]) -> str:
    return ", ".join(ids[:EXAMPLES]) + (", …" if len(ids) > EXAMPLES else "")
