"""`variants snapshot gc`: removes from the cache or the remote what nobody needs any more."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from filelock import Timeout
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.clones import (
    FOLDER,
    CloneRecord,
    cache_records,
    emptying_cache,
    forget_remote_record,
    record_of,
    remote_of,
    remote_records,
    write_remote_record,
)
from flows.local.dvc_config import FILES, cache_of, place_in_cache
from flows.local.needed_objects import needs_of_git, with_contents
from flows.local.project import Project
from flows.local.worktree import life, worktrees
from flows.registry.tracking import connect
from flows.registry.version_needs import LockLost, all_versions, needs_of_version
from flows.registry.versions import uri_of
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.files import remove, write_json

HEX = re.compile(r"[0-9a-f]{2}[\\/][0-9a-f]{30}(\.dir)?$")


@dataclass
class Unneeded:
    """What nobody needs of the cache or of the remote.

    Attributes:
        place: the folder or URL.
        files: hash → bytes, those of folders first.
        kept: number of files that stay.
        clones: path of each clone that was asked → number of hashes that it names.
        unknown: needed folders of which neither cache nor remote knows what they hold.
    """

    place: str
    files: dict[str, int]
    kept: int
    clones: dict[str, int] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Returns a value for JSON."""
        return vars(self) | {"bytes": sum(self.files.values()), "files": len(self.files)}


def collect_garbage(
    project: Project, cloud: bool, forget: Iterable[str], delete: bool, log: Callable[[str], None]
) -> list[Unneeded]:
    """Finds what nobody needs of the cache and, if asked, of the remote; removes it if asked.

    Needed is what the pointers and dvc.lock files of every commit and checkout name, and what the
    registered versions were made of, in this clone and in all that share the cache or the remote.
    Of a clone that is gone, or on another machine, what it told last is needed.

    Args:
        cloud: whether the remote is looked at too.
        forget: paths of clones that are gone, and URIs of versions whose dvc.lock is lost, of which
            nothing is needed any more.
        delete: whether to remove it.
        log: called with each line for people.

    Raises:
        UserError: a run is alive, or it is not certain what is needed.
    """
    forgotten = set(forget)
    _check_forgotten(project, cloud, forgotten)
    client = connect(project)
    with emptying_cache(project.root):
        own = needs_of_git(project.root) | _needs_of_registry(project.root, client, forgotten)
        _refuse_live_run(project)
        found = [_look_at_cache(project, own, forgotten)]
        if cloud:
            found.append(_look_at_remote(project, own, forgotten))
        for one in found:
            for folder in one.unknown:
                log(f"nobody has {folder} any more, which a commit or a version names")
        if delete:
            _remove_from_cache(project, found[0], own, forgotten)
            if cloud:
                _remove_from_remote(project, found[1], own, forgotten)
    return found


def _check_forgotten(project: Project, cloud: bool, forgotten: set[str]) -> None:
    records = [*cache_records(project.root), *(remote_records(project.root) if cloud else [])]
    gone = {record.path for record in records if record.gone}
    for name in forgotten:
        if name not in gone and not name.startswith("models:/"):
            raise UserError(
                f"'{name}' is no clone that is gone: forget one of {', '.join(sorted(gone))}"
                if gone
                else f"no clone '{name}' is known to be gone; all known clones are there, so there "
                "is nothing to forget"
            )


def _look_at_cache(project: Project, own: set[str], forgotten: set[str]) -> Unneeded:
    cache = cache_of(project.root) / FILES
    needed, clones = _needs_of_all(project, own, cache_records(project.root), forgotten)
    whole, unknown = with_contents(project.root, needed)
    there = {
        "".join(file.parts[-2:]): file.stat().st_size
        for file in cache.glob("[0-9a-f][0-9a-f]/*")
        if HEX.search(str(file))
    }
    return Unneeded(
        str(cache), _outside(there, whole), len(there.keys() & whole), clones, sorted(unknown)
    )


def _look_at_remote(project: Project, own: set[str], forgotten: set[str]) -> Unneeded:
    records = remote_records(project.root)
    needed, clones = _needs_of_all(project, own, records, forgotten)
    whole, unknown = with_contents(project.root, needed)
    with remote_of(project.root) as odb:
        listed = odb.fs.find(odb.path, detail=True) if odb.fs.exists(odb.path) else {}
        local = not isinstance(listed, dict)  # DVC's own file system gives paths only
        files = {path: odb.fs.info(path) for path in listed} if local else listed
        there = {
            "".join(PurePosixPath(path).parts[-2:]): int(facts.get("size") or 0)
            for path, facts in files.items()
            if HEX.search(path)
        }
        place = without_credentials(str(odb.fs.unstrip_protocol(odb.path)))
    return Unneeded(
        place, _outside(there, whole), len(there.keys() & whole), clones, sorted(unknown)
    )


def _outside(there: dict[str, int], needed: set[str]) -> dict[str, int]:
    """What is there and not needed; folders first, so that none ever lacks a file of its own."""
    names = sorted(there.keys() - needed, key=lambda md5: (not md5.endswith(".dir"), md5))
    return {name: there[name] for name in names}


def _needs_of_all(
    project: Project, own: set[str], records: list[CloneRecord], forgotten: set[str]
) -> tuple[set[str], dict[str, int]]:
    """What this clone and the others need, and how many hashes each of them names."""
    needed, counts = set(own), {str(project.root): len(own)}
    mine = record_of(project, ()).name
    for record in records:
        if record.name == mine:
            continue
        if record.gone:
            if record.path in forgotten:
                continue
            theirs = set(record.needs)
        else:
            theirs = _needs_of_clone(project, record, forgotten)
        counts[record.path] = len(theirs)
        needed |= theirs
    return needed, counts


def _needs_of_clone(project: Project, record: CloneRecord, forgotten: set[str]) -> set[str]:
    """What another clone on this machine needs now."""
    other = Project(Path(record.path))
    _refuse_live_run(other)
    store = record.mlflow.removeprefix("sqlite:///")
    if store != record.mlflow and not Path(store).is_file():
        return needs_of_git(other.root)  # it has registered nothing yet
    problem = f"the clone '{record.path}' shares this cache, but its MLflow ({record.mlflow})"
    try:
        known = without_credentials(project.mlflow_uri) == record.mlflow
        uri = project.mlflow_uri if known else record.mlflow  # credentials are in no record
        client = MlflowClient(uri, uri)
        return needs_of_git(other.root) | _needs_of_registry(other.root, client, forgotten)
    except (MlflowException, OSError) as error:
        raise UserError(f"{problem} does not answer: start it, then try again: {error}") from error


def _needs_of_registry(root: Path, client: MlflowClient, forgotten: set[str]) -> set[str]:
    """The snapshots and outputs of all registered versions, whatever model they are of.

    Raises:
        UserError: the dvc.lock of a version is lost.
    """
    needed: set[str] = set()
    for version in all_versions(client):
        if uri_of(version) in forgotten:
            continue
        try:
            needed |= needs_of_version(root, client, version)
        except LockLost as error:
            raise UserError(
                f"{error}, or give the version up with --forget {uri_of(version)}"
            ) from error
    return needed


def _refuse_live_run(project: Project) -> None:
    for name in worktrees(project):
        try:
            with life(project, name).acquire(timeout=0):
                pass
        except Timeout as error:
            raise UserError(
                f"the run {name} in '{project.root}' is alive: try again when it has ended"
            ) from error


def _remove_from_cache(
    project: Project, unneeded: Unneeded, own: set[str], forgotten: set[str]
) -> None:
    cache = cache_of(project.root)
    for record in cache_records(project.root):
        if record.gone and record.path in forgotten:
            remove(cache / FOLDER / record.name)
    record = record_of(project, own)
    write_json(cache / FOLDER / record.name, vars(record))
    for md5 in unneeded.files:
        remove(place_in_cache(cache, md5))


def _remove_from_remote(
    project: Project, unneeded: Unneeded, own: set[str], forgotten: set[str]
) -> None:
    from dvc_data.hashfile.db import get_index

    for record in remote_records(project.root):
        if record.gone and record.path in forgotten:
            forget_remote_record(project.root, record)
    write_remote_record(project.root, record_of(project, own))
    with remote_of(project.root) as odb:
        paths = [odb.oid_to_path(md5) for md5 in unneeded.files]
        folders = [path for path in paths if path.endswith(".dir")]
        for some in (folders, paths[len(folders) :]):
            if some:
                odb.fs.remove(some)
        get_index(odb).clear()  # in which DVC keeps what it knows of the remote
