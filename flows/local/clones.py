"""Clones that share a DVC cache or a DVC remote tell each other what they need of it.

Each writes a file of its own into the folder `variants-clones` beside the shared files. Whoever
removes unneeded files reads them all.
"""

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flows.local.dvc_config import cache_of, default_remote, existing_remote
from flows.local.project import Project
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.files import write_json

FOLDER = "variants-clones"
LOCK = "variants.lock"


@dataclass(frozen=True)
class CloneRecord:
    """What a clone tells the others.

    Attributes:
        path: top folder of the clone.
        machine: name of the machine that it is on.
        mlflow: URI of its MLflow, without credentials.
        needs: hashes of files and folders of the cache that it needed when it wrote this.
    """

    path: str
    machine: str
    mlflow: str
    needs: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name of the record's file."""
        place = f"{self.machine}\n{self.path}".encode()
        return f"{hashlib.sha256(place).hexdigest()[:32]}.json"

    @property
    def gone(self) -> bool:
        """Whether the clone is on another machine, or its folder is not there."""
        return self.machine != platform.node() or not Path(self.path, "dvc.yaml").is_file()


def record_of(project: Project, needs: Iterable[str]) -> CloneRecord:
    """Returns what a clone tells the others."""
    needed = tuple(sorted(set(needs)))
    mlflow = without_credentials(project.mlflow_uri)
    return CloneRecord(str(project.root), platform.node(), mlflow, needed)


def register_clone(project: Project, needs: Iterable[str], log: Callable[[str], None]) -> None:
    """Adds to what a clone tells the others, in the cache and in the default remote.

    Args:
        needs: hashes of files and folders of the cache.
        log: called with a line if the cache or the remote cannot be written.
    """
    place = cache_of(project.root) / FOLDER
    if not _is_writable(project.root):
        log("warning: other clones cannot know what this one needs of the cache: it is read-only")
        return
    record = record_of(project, needs)
    own = place / record.name
    earlier = _read(own.read_bytes(), own) if own.is_file() else None
    record = record_of(project, [*record.needs, *(earlier.needs if earlier else ())])
    if record == earlier:
        return
    if not place.is_dir():
        place.mkdir(parents=True)
        place.chmod(place.parent.stat().st_mode & 0o7777)  # for all who may write the cache
    write_json(own, asdict(record))
    if default_remote(project.root):
        try:
            write_remote_record(project.root, record)
        except UserError as error:
            log(f"warning: other clones cannot know what this one needs of the remote: {error}")


def cache_records(root: Path) -> list[CloneRecord]:
    """Reads what the clones that share the cache of a checkout tell.

    Raises:
        UserError: a record cannot be read.
    """
    folder = cache_of(root) / FOLDER
    return [_read(file.read_bytes(), file) for file in sorted(folder.glob("*.json"))]


def remote_records(root: Path) -> list[CloneRecord]:
    """Reads what the clones that share the default remote tell.

    Raises:
        UserError: the remote, or a record, cannot be read.
    """
    with remote_of(root) as odb:
        folder = _remote_folder(odb)
        files = odb.fs.find(folder) if odb.fs.exists(folder) else []
        contents = {file: odb.fs.cat_file(file) for file in files if file.endswith(".json")}
    return [_read(content, file) for file, content in sorted(contents.items())]


def write_remote_record(root: Path, record: CloneRecord) -> None:
    """Writes what a clone tells into the default remote.

    Raises:
        UserError: the remote cannot be written.
    """
    with remote_of(root) as odb, TemporaryDirectory() as folder:
        place = _remote_folder(odb)
        write_json(Path(folder, "record"), asdict(record))
        odb.fs.makedirs(place, exist_ok=True)
        odb.fs.put_file(str(Path(folder, "record")), odb.fs.join(place, record.name))


def forget_remote_record(root: Path, record: CloneRecord) -> None:
    """Removes what a clone tells from the default remote."""
    with remote_of(root) as odb:
        odb.fs.remove(odb.fs.join(_remote_folder(odb), record.name))


@contextmanager
def remote_of(root: Path) -> Iterator[Any]:
    """Opens the default remote of a checkout, DVC's object database.

    Raises:
        UserError: there is none, or it cannot be used inside the block.
    """
    name = existing_remote(root)
    # Imported here so that no command starts later for it.
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            yield repo.cloud.get_remote_odb(None, "gc")
    except UserError:
        raise
    except Exception as error:  # of many kinds, in DVC and in the clients of its remotes
        raise UserError(
            f"DVC's remote '{name}' cannot be used: {error}: see `dvc remote list` "
            "and whether the server runs and the credentials are right"
        ) from error


@contextmanager
def using_cache(root: Path) -> Iterator[None]:
    """Keeps others from removing files of the cache while the block runs.

    Any number of processes may do so at once; whoever removes files makes them wait. A cache that
    this account can only read is used without.
    """
    with _locked(root, fcntl.LOCK_SH) if _is_writable(root) else nullcontext():
        yield


@contextmanager
def emptying_cache(root: Path) -> Iterator[None]:
    """Keeps all others from the cache while the block runs.

    Raises:
        UserError: somebody uses the cache.
    """
    try:
        with _locked(root, fcntl.LOCK_EX | fcntl.LOCK_NB):
            yield
    except BlockingIOError as error:
        raise UserError(
            "a snapshot is being taken in a clone that shares this cache: try again when it is done"
        ) from error


def _is_writable(root: Path) -> bool:
    cache = cache_of(root)
    return os.access(cache if cache.exists() else root, os.W_OK)


@contextmanager
def _locked(root: Path, kind: int) -> Iterator[None]:
    cache = cache_of(root)
    cache.mkdir(parents=True, exist_ok=True)
    # Read only, so that it does not matter which user of a shared cache made the file.
    file = os.open(cache / LOCK, os.O_RDONLY | os.O_CREAT, 0o666)
    try:
        fcntl.flock(file, kind)
        yield
    finally:
        os.close(file)


def _remote_folder(odb: Any) -> str:
    # The database lies in files/md5 below the remote's own folder.
    return str(odb.fs.join(odb.fs.parent(odb.fs.parent(odb.path)), FOLDER))


def _read(content: bytes, place: object = "") -> CloneRecord:
    try:
        found = json.loads(content)
        return CloneRecord(**found | {"needs": tuple(found["needs"])})
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"'{place}', in which a clone tells what it needs, cannot be read: remove it if you "
            "know that the clone is gone"
        ) from error
