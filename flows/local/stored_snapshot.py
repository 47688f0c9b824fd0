"""Reads snapshots out of DVC's cache or remote by their ids, without a checkout of them."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from flows.local.dvc_config import cache_of, default_remote
from ml.core.errors import UserError
from ml.snapshot.diff import Tables

TABLES = ("catalog", "pairs", "pictures")


@dataclass(frozen=True)
class StoredSnapshot:
    """A snapshot in DVC's cache; what the cache lacks is fetched from the remote.

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
            found[name] = None if content is None else pd.read_parquet(io.BytesIO(content))
        return found

    def picture(self, sha256: str) -> bytes | None:
        """Reads a picture, or returns None if neither the cache nor the remote has it."""
        try:
            return stored(self.root, self.md5s[f"images/{sha256}"])
        except (KeyError, UserError):
            return None


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
    file = cache_of(root) / "files/md5" / md5[:2] / md5[2:]
    problem = "there is no DVC remote to fetch it from"
    if not file.is_file() and default_remote(root):
        problem = _fetch(root, md5)
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise UserError(
            f"DVC's cache lacks {md5} ({problem}): `dvc push` it from the clone that has it, or "
            "import the shop again"
        ) from error


def _fetch(root: Path, md5: str) -> str:
    """Fetches a file from the remote into the cache; returns why it could not, or nothing."""
    # Imported here so that no command starts later for it: most find everything in the cache.
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo, TemporaryDirectory() as folder:
            remote, place = repo.cloud.get_remote_odb(None, "fetch"), str(Path(folder, "file"))
            remote.fs.get_file(remote.oid_to_path(md5), place)
            cache = repo.cache.local
            cache.add(place, cache.fs, md5, verify=True)
    except Exception as error:  # of many kinds, in DVC and in the clients of its remotes
        return f"its DVC remote: {error}"
    return ""
