"""Reads snapshots out of DVC's cache or remote by their ids, without a checkout of them."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq

from flows.local.clones import remote_of
from flows.local.dvc_config import cache_of, default_remote, place_in_cache
from ml.core.errors import UserError
from ml.core.files import replacing
from ml.snapshot.diff import Tables

TABLES = ("catalog", "pairs", "pictures")


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot in DVC's cache; tables that the cache lacks are fetched from the remote.

    Attributes:
        root: top folder of a checkout, whose cache and remote are used.
        identity: the snapshot's id.
        md5s: path below the snapshot → MD5.
    """

    root: Path
    identity: str
    md5s: dict[str, str]

    def tables(self) -> Tables:
        """Reads the tables; a table that the snapshot does not have is None.

        Raises:
            UserError: neither the cache nor the remote has them.
        """
        found: Tables = {}
        for name in TABLES:
            md5 = self.md5s.get(f"{name}.parquet")
            content = None if md5 is None else stored(self.root, md5)
            found[name] = (
                None
                if content is None
                else pq.ParquetFile(pa.BufferReader(content)).read().to_pandas()
            )
        return found

    @cached_property
    def _cache(self) -> Path:
        # DVC reads its configuration for the answer, which would take long for many pictures.
        return cache_of(self.root)

    def picture(self, sha256: str) -> bytes | None:
        """Reads a picture, or returns None if the cache lacks it: pictures are not fetched."""
        md5 = self.md5s.get(f"images/{sha256}")
        file = place_in_cache(self._cache, md5) if md5 else None
        return file.read_bytes() if file and file.is_file() else None


def open_stored(root: Path, identity: str) -> StoredSnapshot:
    """Opens a snapshot by its id.

    Args:
        root: top folder of a checkout.
        identity: the snapshot's id.

    Raises:
        UserError: neither the cache nor the remote has it, or it is another folder.
    """
    listed = {one["relpath"]: one["md5"] for one in json.loads(stored(root, identity))}
    if "catalog.parquet" not in listed:
        raise UserError(f"{identity} is a folder in DVC's cache, but not a snapshot of a shop")
    return StoredSnapshot(root, identity, listed)


def stored(root: Path, md5: str) -> bytes:
    """Reads a file of DVC's cache, into which it is fetched if only the remote has it.

    Args:
        root: top folder of a checkout.
        md5: the file's hash; that of a folder ends in `.dir`.

    Raises:
        UserError: neither the cache nor the remote has it.
    """
    file = place_in_cache(cache_of(root), md5)
    if not file.is_file():
        fetch(root, md5)
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"neither DVC's cache nor its remote has {md5}: give `variants push` in the clone that "
            "has it, or import the shop again"
        ) from error


def fetch(root: Path, md5: str) -> None:
    """Fetches a file from the default remote into the cache, if there is a remote that has it.

    Args:
        root: top folder of a checkout.
        md5: the file's hash; that of a folder ends in `.dir`.

    Raises:
        UserError: the remote cannot be asked.
    """
    if not default_remote(root):
        return
    with remote_of(root) as remote, TemporaryDirectory() as folder:
        place = str(Path(folder, "file"))
        try:
            remote.fs.get_file(remote.oid_to_path(md5), place)
        except FileNotFoundError:
            return
        with replacing(place_in_cache(cache_of(root), md5)) as beside:
            shutil.copyfile(place, beside)
            if hashlib.md5(beside.read_bytes()).hexdigest() != md5.partition(".")[0]:
                raise UserError(f"DVC's remote holds other bytes than those of {md5}")
            beside.chmod(0o444)  # as DVC keeps its files
