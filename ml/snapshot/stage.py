"""Stage snapshot: imports a shop; pictures under their SHA-256, tables as Parquet.

Equal shops give equal bytes, whatever was imported before.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from ml.core.files import remove, replacing, write_table
from ml.core.leftovers import mark
from ml.core.paths import SNAPSHOT
from ml.core.progress import progress
from ml.snapshot.corrected_pairs import with_corrections
from ml.snapshot.fetch import fetch_pictures
from ml.snapshot.listing import Stamp, list_pictures, stamp_of
from ml.snapshot.picture_files import PictureFiles
from ml.snapshot.picture_index import Digests, PictureIndex, load_index, save_index
from ml.snapshot.shop import Shop, open_shop
from ml.snapshot.shop_checks import Log
from ml.snapshot.shop_paths import is_web
from ml.snapshot.unreachable import explained


@dataclass(frozen=True)
class Memory:
    """What an import may know from earlier ones, so that it reads only what is new.

    Attributes:
        index: file of the index of the source; it is replaced.
        fetched: folder of the pictures that were fetched from the web.
        cache: folder of files by their MD5, as DVC keeps them; None: there is none.
        verify: whether everything is read again nevertheless.
        stays: whether the snapshot stays in its folder, so that the next import can take its files
            over. That of a retraining's worktree does not.
    """

    index: Path
    fetched: Path
    cache: Path | None = None
    verify: bool = False
    stays: bool = True


@dataclass(frozen=True)
class Imported:
    """What an import has put into a snapshot.

    Attributes:
        products: number of products.
        digests: of each picture, by the shop's name for it.
        kept: SHA-256 → size in bytes, of the pictures whose file is that of the snapshot before.
    """

    products: int
    digests: dict[str, Digests]
    kept: dict[str, int]


def main(source: str, out: Path = SNAPSHOT) -> None:
    """Imports the shop SOURCE (a folder or fsspec URL) and replaces the whole snapshot folder."""
    import_shop(source, out)


def import_shop(
    source: str,
    out: Path,
    memory: Memory | None = None,
    columns: dict[str, str] | None = None,
    log: Log = print,
    corrections: pd.DataFrame | None = None,
) -> Imported:
    """Copies a shop into a snapshot.

    It writes catalog.parquet (the shop's columns and sha256, sorted by product_id), pairs.parquet
    (sorted; only if the shop has pairs), pictures.parquet (with sha256; only if the shop lists
    further pictures), blocks.parquet and blocks_unsure_pairs.parquet (sorted; only if the shop has
    complete blocks) and images/SHA256. If a picture is missing, its sha256 is None, which the data
    contract reports. The order of rows in the shop does not matter.

    Args:
        source: folder or fsspec URL of the shop.
        out: the snapshot's folder; it is replaced at the end, and nothing is changed before.
        memory: of earlier imports; None: everything is read.
        columns: as of `open_shop`.
        log: called with each warning.
        corrections: of the catalogue's groups, which become annotated pairs (see
            `ml.snapshot.corrected_pairs`).

    Returns:
        What is in the snapshot now.

    Raises:
        UserError: see `open_shop`; a picture is a symbolic link; or the server of the shop does
            not answer, or does not accept the credentials. Nothing is written then.
    """
    with explained(source):
        shop = open_shop(source, columns, log)
    pairs = shop.pairs
    if corrections is not None:
        pairs = with_corrections(pairs, corrections, shop.catalog, log)
    catalog = shop.catalog.sort_values(["product_id", "image"], kind="stable", ignore_index=True)
    images = list(dict.fromkeys(catalog["image"].dropna()))
    if shop.pictures is not None:
        images = list(dict.fromkeys([*images, *shop.pictures["image"].dropna()]))
    index = load_index(memory.index) if memory and not memory.verify else PictureIndex()
    with replacing(out) as beside, TemporaryDirectory() as temporary:
        files = PictureFiles(
            beside / "images", out / "images", index, memory.cache if memory else None
        )
        fetched = memory.fetched if memory else Path(temporary)
        with explained(source):
            stamps, found = _collect(shop, images, index, files, fetched, log)
        names = {image: digests.sha256 for image, digests in found.items()}
        write_table(beside / "catalog.parquet", _with_names(catalog, names))
        for name, table, order in (
            ("pairs", pairs, ["left", "right"]),
            ("blocks", shop.blocks, ["product_id"]),
            ("blocks_unsure_pairs", shop.unsure_pairs, ["left", "right"]),
        ):
            if table is not None and len(table):
                ordered = table.sort_values(order, kind="stable", ignore_index=True)
                write_table(beside / f"{name}.parquet", ordered)
        if shop.pictures is not None and len(shop.pictures):
            write_table(beside / "pictures.parquet", _with_names(shop.pictures, names))
        written = files.facts() if memory is None or memory.stays else index.written
        if out.is_dir():
            _take_over(files, out)
    if memory:
        read = {image: (stamp, found[image]) for image, stamp in stamps.items() if image in found}
        save_index(memory.index, PictureIndex(read, written))
    kept = {name: size for name, (_, _, size) in files.kept.items()}
    return Imported(len(catalog), found, kept)


def _collect(
    shop: Shop,
    images: list[str],
    index: PictureIndex,
    files: PictureFiles,
    fetched: Path,
    log: Log,
) -> tuple[dict[str, Stamp], dict[str, Digests]]:
    """Brings all pictures into `files`; returns their stamps and digests, those of missing not."""
    web = [image for image in images if is_web(image)]
    with progress("import pictures", len(images) + len(web), "pictures") as advance:
        places = fetch_pictures(web, fetched, log, advance) if web else {}
        stamps = list_pictures(shop, (image for image in images if not is_web(image)))
        stamps |= {image: stamp_of(place) for image, place in places.items() if place}
        found = {
            image: digests for image, digests in index.known(stamps).items() if files.take(digests)
        }
        advance(len(found))

        def read(image: str) -> Digests | None:
            place = places.get(image)
            if is_web(image):
                content = place.read_bytes() if place else None
            else:
                content = shop.read_picture(image)
            return None if content is None else files.write(content)

        unknown = [image for image in images if image not in found]
        with ThreadPoolExecutor() as pool:
            for image, digests in zip(unknown, pool.map(read, unknown), strict=True):
                if digests:
                    found[image] = digests
                advance()
    return stamps, found


def _with_names(table: pd.DataFrame, names: dict[str, str]) -> pd.DataFrame:
    """Adds the column sha256, None where a picture is missing."""
    found = [names.get(image) if isinstance(image, str) else None for image in table["image"]]
    return table.assign(sha256=pd.Series(found, dtype=object))


def _take_over(files: PictureFiles, out: Path) -> None:
    """Takes the snapshot before away, after its kept pictures have moved into the new one.

    The snapshot is absent from here until the new one is in its place.
    """
    aside = out.with_name(f".{out.name}.{mark()}.old.part")
    out.replace(aside)
    try:
        files.before = aside / "images"
        files.finish()
    finally:
        remove(aside)
