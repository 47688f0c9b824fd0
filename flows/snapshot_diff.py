"""`variants snapshot diff`: shows what changed between two snapshots, by any of their names."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from flows.local.access import refuse_closed
from flows.local.dvc_config import FILES, cache_of
from flows.local.git import git, succeeds
from flows.local.pointer import POINTER, read_pointer
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.local.stored_snapshot import TABLES, open_stored
from flows.registry.tracking import connect
from flows.registry.versions import find_version, uri_of
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.snapshot.diff_page import Side, write_diff
from ml.snapshot.stage import import_shop

ID = re.compile(r"[0-9a-f]{6,32}(\.dir)?")  # of a snapshot, or how it begins


def diff(project: Project, before: str, after: str, out: Path) -> dict[str, Any]:
    """Compares two snapshots, and writes diff.json and diff.html.

    Args:
        before, after: a shop (folder or URL), the id of a snapshot, a commit or branch, or
            models:/NAME/VERSION.
        out: folder for the two files.

    Returns:
        The content of diff.json.

    Raises:
        UserError: a name is none of these, its snapshot cannot be read, or `out` is no folder.
    """
    refuse_closed(out)
    with ExitStack() as stack:
        first = stack.enter_context(_side(project, before))
        second = stack.enter_context(_side(project, after))
        found = write_diff(first, second, out)
    return {"before": first.name, "after": second.name, **found.to_json()}


@contextmanager
def _side(project: Project, name: str) -> Iterator[Side]:
    if "://" in name or any(Path(name, f"catalog.{one}").exists() for one in ("csv", "parquet")):
        with scratch(project, "diff") as folder:
            import_shop(name, folder / "snapshot")
            yield shop_side(name, folder / "snapshot")
    else:
        yield stored_side(project.root, snapshot_named(project, name), name)


def shop_side(name: str, snapshot: Path) -> Side:
    """Returns a snapshot that lies in a folder, for a comparison."""
    files = {table: snapshot / f"{table}.parquet" for table in TABLES}
    tables = {table: read_table(file) if file.exists() else None for table, file in files.items()}
    return Side(name, tables, lambda sha256: (snapshot / "images" / sha256).read_bytes())


def stored_side(root: Path, identity: str, name: str) -> Side:
    """Returns a snapshot of DVC's cache or remote, for a comparison.

    Args:
        root: top folder of a checkout.
        identity: the snapshot's id.
        name: what people call it.

    Raises:
        UserError: neither the cache nor the remote has it.
    """
    found = open_stored(root, identity)
    words = name if identity.startswith(name) else f"{name} ({identity[:12]})"
    return Side(words, found.tables(), found.picture)


def snapshot_named(project: Project, name: str) -> str:
    """Returns the id of the snapshot that a name stands for.

    Raises:
        UserError: it stands for none.
    """
    if name.startswith("models:/"):
        version = find_version(connect(project), name)
        if not version.tags.get("snapshot"):
            raise UserError(f"{uri_of(version)} has no tag that names its snapshot")
        return version.tags["snapshot"]
    if ID.fullmatch(name):
        start = name.removesuffix(".dir")
        folder = cache_of(project.root) / FILES / start[:2]
        found = sorted(folder.glob(f"{start[2:]}*.dir"))
        if len(found) == 1:
            return f"{start[:2]}{found[0].name}"
        if len(start) == 32:
            return f"{start}.dir"
    commit = f"{name}^{{commit}}"
    if not name.startswith("-") and succeeds(project.root, "rev-parse", "--verify", commit):
        pointer = f"{name}:{POINTER.as_posix()}"
        if not succeeds(project.root, "cat-file", "-e", pointer):
            raise UserError(f"the commit '{name}' has no snapshot: name one that has {POINTER}")
        text = git(project.root, "cat-file", "blob", pointer)
        return read_pointer(text, f"the commit '{name}'").snapshot
    raise UserError(
        f"'{name}' names no snapshot: give a shop's folder or URL, the id of a snapshot, a commit "
        "or branch, or models:/NAME/VERSION"
    )
