"""Reads shops in the public data format.

A shop is a folder or fsspec URL with a catalogue, pictures and, optionally, annotated pairs.
"""

import io
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec
import pandas as pd

from ml.core.errors import UserError
from ml.data.schema import CATALOG_COLUMNS, PAIR_COLUMNS

FORMAT = "see docs/data-format.md"


@dataclass(frozen=True)
class Shop:
    """A shop that is open for reading.

    Attributes:
        source: the folder or URL, as the user gave it.
        catalog: one row per product; every column is text, and missing values are None.
        pairs: annotated pairs (left, right: text; color_variants: Int8; all others text), or None
            if the shop has no pairs.
    """

    source: str
    catalog: pd.DataFrame
    pairs: pd.DataFrame | None
    fs: Any
    root: str

    def read_picture(self, image: str) -> bytes | None:
        """Reads the bytes of one picture, or None if the file is missing.

        Raises:
            UserError: the path leaves the shop's folder, or is or passes through a symbolic link.
        """
        path = f"{self.root}/{inside(image, self.source)}"
        if _is_local(self.fs):
            refuse_links(Path(self.root), Path(path), self.source)
        try:
            content: bytes = self.fs.cat_file(path)
        except (FileNotFoundError, IsADirectoryError):
            return None
        return content


def open_shop(source: str) -> Shop:
    """Reads the tables of a shop and checks what an import needs.

    Args:
        source: a folder, or any fsspec URL (s3://bucket/shop, https://…, memory://…).

    Raises:
        UserError: the folder does not exist, has no catalogue or two of them, a table is unreadable
            or lacks columns, the catalogue has no rows, or a picture's path leaves the shop.
    """
    try:
        fs, root = fsspec.core.url_to_fs(source)
        root = root.rstrip("/")
        exists = (
            fs.isdir(root)
            or fs.exists(f"{root}/catalog.csv")
            or fs.exists(f"{root}/catalog.parquet")
        )
    except (ImportError, ValueError, OSError) as error:
        raise UserError(f"the shop '{source}' cannot be reached: {error}") from error
    if not exists:
        raise UserError(
            f"there is no shop at '{source}': give a folder or URL that holds catalog.csv "
            f"({FORMAT})"
        )
    catalog = _read(fs, root, "catalog", source)
    if catalog is None:
        raise UserError(f"the shop '{source}' has no catalog.csv or catalog.parquet ({FORMAT})")
    _need_columns(catalog, CATALOG_COLUMNS, "catalog", source)
    if catalog.empty:
        raise UserError(f"the catalogue of '{source}' has a header but no products")
    catalog = catalog.map(_text)
    for image in catalog["image"].dropna():
        inside(image, source)
    pairs = _read(fs, root, "pairs", source)
    if pairs is not None:
        _need_columns(pairs, PAIR_COLUMNS, "pairs", source)
        labels = pd.to_numeric(pairs["color_variants"], errors="coerce")
        pairs = pairs.map(_text)
        pairs["color_variants"] = labels.where(labels.isin([0, 1])).astype("Int8")
    return Shop(source, catalog, pairs, fs, root)


def inside(image: str, source: str) -> str:
    """Returns a picture's path in normal form.

    Raises:
        UserError: the path leaves the shop.
    """
    path = PurePosixPath(image.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] if path.parts else True:
        raise UserError(
            f"the catalogue of '{source}' names the picture '{image}', which is not inside the "
            "shop: paths are relative to the shop's folder and hold no '..'"
        )
    return str(path)


def refuse_links(root: Path, path: Path, source: str) -> None:
    """Raises UserError if `path`, or a folder between it and `root`, is a symbolic link."""
    step = path
    while step != root:
        if step.is_symlink():
            raise UserError(
                f"'{step.relative_to(root)}' in the shop '{source}' is a symbolic link: "
                "put the file itself there; links are refused because they can leave the shop"
            )
        step = step.parent


def _is_local(fs: Any) -> bool:
    return "file" in (fs.protocol if isinstance(fs.protocol, tuple | list) else (fs.protocol,))


def _text(value: Any) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    text = str(value).strip()
    return text or None


def _read(fs: Any, root: str, name: str, source: str) -> pd.DataFrame | None:
    found = [ending for ending in ("csv", "parquet") if fs.exists(f"{root}/{name}.{ending}")]
    if len(found) > 1:
        raise UserError(
            f"the shop '{source}' has both {name}.csv and {name}.parquet: keep one of them"
        )
    if not found:
        return None
    path = f"{root}/{name}.{found[0]}"
    if _is_local(fs):
        refuse_links(Path(root), Path(path), source)
    try:
        content = io.BytesIO(fs.cat_file(path))
        if found[0] == "parquet":
            return pd.read_parquet(content)
        return pd.read_csv(content, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except Exception as error:  # of many kinds, in pandas and pyarrow: the table is unreadable
        raise UserError(
            f"{name}.{found[0]} of the shop '{source}' cannot be read: {error}"
        ) from error


def _need_columns(table: pd.DataFrame, needed: tuple[str, ...], name: str, source: str) -> None:
    missing = [column for column in needed if column not in table.columns]
    if missing:
        lacking = f"column{'s' if len(missing) > 1 else ''} {', '.join(missing)}"
        raise UserError(
            f"the {name} table of '{source}' lacks the {lacking}; "
            f"it has {', '.join(map(str, table.columns))} ({FORMAT})"
        )
