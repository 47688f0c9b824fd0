"""`variants push`: copies to the DVC remote what it lacks of registered versions and of commits."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mlflow.tracking import MlflowClient

from flows.local.clones import record_of, write_remote_record
from flows.local.dvc_config import default_remote
from flows.local.needed_objects import hashes_in, needs_of_git
from flows.local.pointer import POINTER
from flows.local.project import Project
from flows.local.remote_files import lacking, lacking_soon, push
from flows.registry.tracking import connect
from flows.registry.version_needs import (
    LockLost,
    all_versions,
    needs_known_here,
    needs_of_version,
)
from flows.registry.versions import uri_of
from ml.core.errors import UserError

NOBODYS = "0" * 32  # the hash of no file
COMMITS = "the snapshots that commits name"


@dataclass
class PushReport:
    """What `variants push` has done.

    Attributes:
        files: number of files that were copied.
        bytes: their size.
        missing: a line for each thing that neither this machine nor the remote has.
    """

    files: int = 0
    bytes: int = 0
    missing: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class OnlyHere:
    """What would be lost with this machine.

    Attributes:
        snapshots: number of snapshots that the remote lacks; None: it cannot be asked.
        models: number of registered versions of whose snapshot or outputs the remote lacks
            something; None as above.
        problem: why the remote cannot be asked; empty if it can.
    """

    snapshots: int | None
    models: int | None
    problem: str = ""


def push_all(project: Project, log: Callable[[str], None]) -> PushReport:
    """Copies what the remote lacks of all registered versions, then of all committed snapshots.

    It begins where an interrupted one has ended, since what is there is not copied again.

    Args:
        log: called with a line of progress for each version.

    Raises:
        UserError: there is no remote, or it cannot be used.
    """
    root = project.root
    lacking(root, [NOBODYS])  # an outage is told before anything is collected
    client, report = connect(project), PushReport()
    owners: dict[frozenset[str], list[str]] = {}  # a promoted version needs what its candidate does
    for version in all_versions(client):
        try:
            needs = frozenset(needs_of_version(root, client, version))
        except LockLost as error:
            report.missing.append(str(error))
        else:
            owners.setdefault(needs, []).append(uri_of(version))
    known = frozenset[str]().union(*owners)
    work = [(", ".join(sorted(names)), needs) for needs, names in owners.items()]
    work = [*sorted(work), (COMMITS, frozenset(committed_snapshots(project)) - known)]
    # First of all, so that no clone that shares the remote takes away what this one brings.
    write_remote_record(root, record_of(project, known | needs_of_git(root)))
    for number, (names, needs) in enumerate(work, 1):
        pushed = push(root, needs)
        log(f"{number} of {len(work)}: {names}: {pushed}")
        report.files += pushed.files
        report.bytes += pushed.bytes
        if pushed.missing:
            some = ", ".join(sorted(pushed.missing)[:3])
            count = len(pushed.missing)
            report.missing.append(f"{names}: {count} files or folders, such as {some}")
    return report


def only_here(project: Project, client: MlflowClient) -> OnlyHere | None:
    """Counts what is on this machine only, within seconds; None if there is no remote.

    A remote that has the list of a folder has its files, since these are copied before the list.
    """
    root = project.root
    if not default_remote(root):
        return None
    models = [needs_known_here(root, version) for version in all_versions(client)]
    snapshots = committed_snapshots(project)
    try:
        lacks = lacking_soon(root, snapshots.union(*models))
    except UserError as error:
        return OnlyHere(None, None, str(error))
    return OnlyHere(len(snapshots & lacks), sum(bool(needs & lacks) for needs in models))


def committed_snapshots(project: Project) -> set[str]:
    """Returns the ids of the snapshots that the commits of all branches and the checkout name."""
    log = project.git("log", "--all", "--format=", "--patch", "--no-renames", "--", str(POINTER))
    lines = [line for line in log.splitlines() if line.startswith("+")]
    pointer = project.root / POINTER
    here = pointer.read_text(encoding="utf-8", errors="replace") if pointer.is_file() else ""
    found = hashes_in("\n".join([*lines, here]))
    return {md5 for md5 in found if md5.endswith(".dir")}
