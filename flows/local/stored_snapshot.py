"""Reads snapshots out of DVC's cache by their ids, without a checkout of them."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows.local.dvc_config import cache_of
from ml.core.errors import UserError

TABLES = ("catalog", "pairs", "pictures")


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot in DVC's cache.

    Attributes:
        identity: the snapshot's id.
        cache: folder of files by their MD5.
        md5s: path below the snapshot → MD5.
    """

    identity: str
    cache: Path
    md5s: dict[str, str]

    def read(self, name: str) -> bytes | None:
        """Reads a file of the snapshot, or None if the snapshot has none of this name.

        Raises:
            UserError: the cache lacks it.
        """
        return cached(self.cache, self.md5s[name]) if name in self.md5s else None

    def tables(self) -> dict[str, pd.DataFrame | None]:
        """Reads the tables; a table that the snapshot does not have is None."""
        contents = {name: self.read(f"{name}.parquet") for name in TABLES}
        return {
            name: None if content is None else pd.read_parquet(io.BytesIO(content))
            for name, content in contents.items()
        }


def open_stored(root: Path, identity: str) -> StoredSnapshot:
    """Opens a snapshot of the cache.

    Args:
        root: top folder of a checkout.
        identity: the snapshot's id.

    Raises:
        UserError: the cache does not hold it.
    """
    cache = cache_of(root) / "files/md5"
    listed = json.loads(cached(cache, identity))
    return StoredSnapshot(identity, cache, {one["relpath"]: one["md5"] for one in listed})


def cached(cache: Path, md5: str) -> bytes:
    """Reads a file of the cache.

    Raises:
        UserError: the cache does not hold it.
    """
    try:
        return (cache / md5[:2] / md5[2:]).read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"DVC's cache lacks {md5}: fetch it with `dvc fetch --all-commits`, or import the shop "
            "again"
        ) from error
