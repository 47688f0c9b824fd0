"""The store: a folder or fsspec URL for what outlives a command; files are whole or absent."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem

from ml.core.files import remove, replacing


class Store:
    """Files below a root.

    A team shares a store by its URL. Names are paths below the root, with "/" between their parts.

    Args:
        url: a folder, or any fsspec URL (s3://bucket/store).
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.fs, root = fsspec.core.url_to_fs(url)
        self.root = str(root).rstrip("/")
        self.local = isinstance(self.fs, LocalFileSystem)

    def path(self, name: str) -> str:
        """Returns the path of a file or folder in the file system of the store."""
        return f"{self.root}/{name}" if name else self.root

    def below(self, name: str) -> "Store":
        """Returns the store of a folder."""
        return Store(self.fs.unstrip_protocol(self.path(name)))

    def exists(self, name: str) -> bool:
        """Returns whether there is a file or folder."""
        return bool(self.fs.exists(self.path(name)))

    def list(self, name: str = "") -> list[str]:
        """Returns the sorted names of what is in a folder; empty if there is no such folder."""
        self.fs.invalidate_cache()  # somebody else may have written
        try:
            found = self.fs.ls(self.path(name), detail=False)
        except FileNotFoundError:
            return []
        names = (str(one).rstrip("/").rpartition("/")[2] for one in found)
        return sorted(one for one in names if not one.startswith("."))  # of what is being written

    def size(self, name: str) -> int:
        """Returns the bytes of a file or of all files in a folder."""
        return int(self.fs.du(self.path(name))) if self.exists(name) else 0

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        return bytes(self.fs.cat_file(self.path(name)))

    def write(self, name: str, content: bytes) -> None:
        """Replaces a file; object stores do so at once, a local file is renamed into its place."""
        if self.local:
            with replacing(Path(self.path(name))) as beside:
                beside.write_bytes(content)
        else:
            self.fs.pipe_file(self.path(name), content)

    def read_table(self, name: str, columns: Collection[str] | None = None) -> pa.Table:
        """Reads a Parquet file.

        Args:
            columns: those of them that it has are read; None: all.

        Raises:
            FileNotFoundError: there is no such file.
        """
        file = pq.ParquetFile(pa.BufferReader(self.read(name)))
        there = file.schema_arrow.names
        return file.read(there if columns is None else [one for one in there if one in columns])

    def write_table(self, name: str, table: pa.Table, **options: Any) -> None:
        """Replaces a Parquet file; options are those of `pyarrow.parquet.write_table`."""
        content = pa.BufferOutputStream()
        pq.write_table(table, content, **({"compression": "zstd"} | options))
        self.write(name, content.getvalue().to_pybytes())

    def remove(self, name: str) -> None:
        """Removes a file or a whole folder, if it exists."""
        if self.local:
            remove(Path(self.path(name)))
        elif self.exists(name):
            self.fs.rm(self.path(name), recursive=True)
