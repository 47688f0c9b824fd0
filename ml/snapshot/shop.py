"""Reads shops in the public data format.

A shop is a folder or fsspec URL with a catalogue, pictures and, optionally, annotated pairs,
complete blocks, a list of further pictures, and a description of how to read these tables.
"""

import errno
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pandas as pd

from ml.core.errors import UserError
from ml.data.schema import (
    CATALOG_COLUMNS,
    COMPLETE_BLOCK_COLUMNS,
    PAIR_COLUMNS,
    PICTURE_COLUMNS,
    UNSURE_PAIR_COLUMNS,
)
from ml.snapshot.column_names import NOTHING
from ml.snapshot.description import ShopDescription, read_description, rename, suggestion
from ml.snapshot.folding import fold_table
from ml.snapshot.shop_checks import (
    Log,
    check_blocks,
    check_catalog,
    check_pairs,
    check_pictures,
    check_unsure_pairs,
)
from ml.snapshot.shop_paths import FORMAT, inside, no_shop, refuse_credentials, refuse_links
from ml.snapshot.tables import read_csv, read_parquet

NO_FILE = (errno.ENOENT, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)
KEYS = ("product_id", "left", "right")  # columns that hold ids of products
TABLES = {  # name of each table of a shop → the columns that it needs
    "catalog": CATALOG_COLUMNS,
    "pairs": PAIR_COLUMNS,
    "pictures": PICTURE_COLUMNS,
    "blocks": COMPLETE_BLOCK_COLUMNS,
    "blocks_unsure_pairs": UNSURE_PAIR_COLUMNS,
}


@dataclass(frozen=True)
class Shop:
    """A shop that is open for reading.

    Attributes:
        source: the folder or URL, as the user gave it.
        catalog: one row per product; every column is text, and missing values are None.
        pairs: annotated pairs (left, right: text; color_variants: Int8; all others text), or None
            if the shop has no pairs.
        pictures: all pictures of the products that have several (product_id, image, role: text;
            position: Int32, from 1), sorted by product and position, or None if the shop lists
            none.
        blocks: products of complete blocks (product_id, design: text, none missing; all others
            text), or None if the shop has none.
        unsure_pairs: pairs of these products that could not be decided (left, right: text, none
            missing), or None.
    """

    source: str
    catalog: pd.DataFrame
    pairs: pd.DataFrame | None
    pictures: pd.DataFrame | None
    blocks: pd.DataFrame | None
    unsure_pairs: pd.DataFrame | None
    fs: Any
    root: str

    def path_of(self, image: str) -> str:
        """Returns the path of a picture within the shop's file system.

        Names of files with accents exist in two Unicode forms; the one that is there is taken.

        Raises:
            UserError: the path leaves the shop's folder, or is or passes through a symbolic link.
        """
        path = f"{self.root}/{inside(image, self.source)}"
        if not image.isascii() and not self.fs.exists(path):
            forms = (unicodedata.normalize(form, path) for form in ("NFC", "NFD"))
            path = next((one for one in forms if self.fs.exists(one)), path)
        if _is_local(self.fs):
            refuse_links(Path(self.root), Path(path), self.source)
        return path

    def read_picture(self, image: str) -> bytes | None:
        """Reads the bytes of one picture of the shop's folder, or None if the file is missing.

        Raises:
            UserError: as of `path_of`.
        """
        path = self.path_of(image)
        try:
            content: bytes = self.fs.cat_file(path)
        except OSError as error:
            if isinstance(error, FileNotFoundError) or error.errno in NO_FILE:
                return None
            raise
        return content


def open_shop(source: str, columns: dict[str, str] | None = None, log: Log = print) -> Shop:
    """Reads the tables of a shop and checks what an import needs.

    Args:
        source: a folder, or any fsspec URL (s3://bucket/shop, https://…, memory://…).
        columns: the shop's names of columns → the format's, see `parse_columns`. They precede those
            of shop.yaml.
        log: called with a warning for each value that is not read as it is.

    Raises:
        UserError: the URL holds credentials, the folder does not exist, has no catalogue or two of
            them, a table is unreadable or lacks columns, the catalogue has no rows, a label is
            none, or a picture's path leaves the shop.
    """
    refuse_credentials(source)
    try:
        fs, root = fsspec.core.url_to_fs(source)
        root = root.rstrip("/")
        exists = fs.isdir(root) or any(
            fs.exists(f"{root}/catalog.{ending}") for ending in ("csv", "parquet")
        )
        is_file = not exists and fs.isfile(root)
    except (ImportError, ValueError, OSError) as error:
        raise UserError(f"the shop '{source}' cannot be reached: {error}") from error
    if is_file:
        raise UserError(f"there is no shop at '{source}': that is a file; name its folder")
    if not exists:
        raise UserError(no_shop(source))
    folder = _Folder(source, fs, root, ShopDescription(), columns or {}, log)
    folder.description = read_description(folder.content("shop.yaml"), source)
    folder.columns = folder.description.columns | folder.columns
    read = {name: folder.table(name) for name in TABLES}
    if read["catalog"] is None:
        raise UserError(f"the shop '{source}' has no catalog.csv or catalog.parquet ({FORMAT})")
    folder.refuse_unknown_columns()
    catalog, pairs, pictures, blocks, unsure = (
        None if one is None else folder.named(name, one, alone=read["pictures"] is None)
        for name, one in read.items()
    )
    assert catalog is not None
    pictures = None if pictures is None else check_pictures(pictures, source)
    catalog = check_catalog(catalog, pictures, source, log)
    pairs = None if pairs is None else check_pairs(pairs, source)
    blocks = None if blocks is None else check_blocks(blocks, source)
    unsure = None if unsure is None else check_unsure_pairs(unsure, blocks, source)
    if pictures is not None:
        pictures = pictures[pictures["product_id"].isin(catalog["product_id"])]
        pictures = pictures.reset_index(drop=True)
    return Shop(source, catalog, pairs, pictures, blocks, unsure, fs, root)


@dataclass
class _Folder:
    """The folder of a shop, from which its tables are read."""

    source: str
    fs: Any
    root: str
    description: ShopDescription
    columns: dict[str, str]
    log: Log

    def __post_init__(self) -> None:
        self.seen: set[str] = set()  # the names of columns of all tables, as the shop has them

    def content(self, name: str) -> bytes | None:
        """The bytes of a file, or None if there is no such file.

        Raises:
            UserError: it is a symbolic link, or cannot be read.
        """
        path = f"{self.root}/{name}"
        if _is_local(self.fs):
            refuse_links(Path(self.root), Path(path), self.source)
        try:
            return bytes(self.fs.cat_file(path)) if self.fs.exists(path) else None
        except (OSError, ValueError) as error:
            raise UserError(f"{name} of the shop '{self.source}' cannot be read: {error}") from (
                error
            )

    def table(self, name: str) -> pd.DataFrame | None:
        """A table with the shop's own names of columns, or None."""
        endings = ("csv", "parquet")
        found = [one for one in endings if self.fs.exists(f"{self.root}/{name}.{one}")]
        if len(found) > 1:
            raise UserError(
                f"the shop '{self.source}' has both {name}.csv and {name}.parquet: keep one of them"
            )
        if not found:
            return None
        parts = [self._part(part) for part in self._parts(f"{name}.{found[0]}")]
        table = parts[0]
        if len(parts) > 1:
            table = pd.concat(parts)
            table = table.astype(object).where(table.notna(), None)
        self.seen |= set(table.columns)
        return table

    def named(self, name: str, table: pd.DataFrame, alone: bool) -> pd.DataFrame:
        """A table with the columns' names of the format, and folded values.

        Args:
            name: of the table, one of `TABLES`.
            table: the table, as `table` returns it.
            alone: whether there is no list of pictures, so that the catalogue must name them.

        Raises:
            UserError: the table lacks columns.
        """
        table = rename(table, self.columns, TABLES[name], name)
        missing = [column for column in TABLES[name] if column not in table.columns]
        if name == "catalog" and not alone:
            missing = [column for column in missing if column != "image"]
        if missing:
            lacking = f"column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
            raise UserError(
                f"the {name} table of '{self.source}' lacks the {lacking}; it has "
                f"{', '.join(table.columns)} ({FORMAT}); {suggestion(missing, list(table.columns))}"
            )
        return fold_table(table, name, self.log, exact=("image",))

    def _parts(self, file: str) -> list[str]:
        """The files of a table: one, or the parts that Spark writes into a folder."""
        if not self.fs.isdir(f"{self.root}/{file}"):
            return [file]
        ending = file.partition(".")[2]
        names = sorted(Path(one).name for one in self.fs.ls(f"{self.root}/{file}", detail=False))
        parts = [f"{file}/{one}" for one in names if one[0] not in "._"]
        odd = [one for one in parts if not one.endswith(f".{ending}")]
        if odd or not parts:
            raise UserError(
                f"the folder {file} of '{self.source}' holds "
                f"{odd[0] if odd else 'no table'}: it may hold files *.{ending} only; write the "
                "table without partitions"
            )
        return parts

    def _part(self, file: str) -> pd.DataFrame:
        content = self.content(file)
        assert content is not None
        if file.endswith(".parquet"):
            keys = {theirs for theirs, ours in self.columns.items() if ours in KEYS} | set(KEYS)
            return read_parquet(content, file, tuple(keys))
        how = self.description
        return read_csv(content, file, encoding=how.encoding, delimiter=how.delimiter)

    def refuse_unknown_columns(self) -> None:
        """Raises UserError if a column is given a name but no table has it."""
        for theirs, ours in self.columns.items():
            if theirs not in self.seen and not theirs.startswith(NOTHING):
                raise UserError(
                    f"no table of '{self.source}' has the column '{theirs}', which is to be named "
                    f"{ours}: there are {', '.join(sorted(self.seen))}"
                )


def _is_local(fs: Any) -> bool:
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple | list) else (fs.protocol,))
