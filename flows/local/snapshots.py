"""Imports shops into a checkout as snapshots, which DVC tracks and git commits."""

import json
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from flows.local.clones import register_clone, using_cache
from flows.local.git import commit_files, succeeds
from flows.local.pipeline import dvc, run_module
from flows.local.pointer import POINTER, read_pointer
from flows.local.project import Project
from flows.local.stored_snapshot import open_stored
from ml.core.errors import UserError
from ml.core.files import read_table, write_json
from ml.core.paths import PREVIOUS, SNAPSHOT
from ml.snapshot.diff import diff_snapshots
from ml.validate.split import choose_split_by


def snapshot_id(root: Path) -> str:
    """Returns the id of the snapshot in a checkout: DVC's own hash of the folder.

    Raises:
        UserError: the checkout has no snapshot, or its pointer cannot be read.
    """
    try:
        text = (root / POINTER).read_text(encoding="utf-8", errors="replace")
        return read_pointer(text, f"the checkout '{root}'").snapshot
    except FileNotFoundError as error:
        raise UserError(
            "this commit has no snapshot: name a shop with --source, or import one first with "
            "`variants snapshot SHOP`"
        ) from error


def import_shop_into(
    project: Project,
    root: Path,
    source: str,
    log: Callable[[str], None],
    verify: bool = False,
    columns: dict[str, str] | None = None,
    corrections: Path | None = None,
) -> str:
    """Imports a shop into the data/snapshot of a checkout, with the code of that checkout.

    DVC tracks it then, and data/previous.json names the snapshot before it, and what the shop is
    split by (see `ml.validate.split`), which the first snapshot of a shop decides.

    Args:
        root: top folder of the checkout, which may be a worktree of the project.
        source: folder or fsspec URL of the shop, stored in the pointer.
        log: called with each line that the import prints.
        verify: whether pictures are read although size and time are those of the last import.
        columns: the shop's names of columns → the format's (see `ml.snapshot.description`).
        corrections: CSV file of corrections that become annotated pairs (see
            `ml.snapshot.corrected_pairs`); None: there are none.

    Returns:
        The snapshot's id.

    Raises:
        UserError: the import refuses the shop.
    """
    named = ",".join(f"{theirs}={ours}" for theirs, ours in (columns or {}).items())
    options = [*(["--verify"] if verify else []), *(["--columns", named] if named else [])]
    options += ["--corrections", str(corrections)] if corrections else []
    arguments = ["--room", str(project.room), *options, "--", source]
    with using_cache(root):
        run_module(root, "flows.local.tracked_import", arguments, log)
        identity = snapshot_id(root)
        register_clone(project, {identity}, log)
    previous = previous_snapshot(project, source, identity)
    facts = previous or {"source": None, "snapshot": None, "products": None}
    split_by = facts.get("split_by") or choose_split_by(
        read_table(root / SNAPSHOT / "catalog.parquet")
    )
    changes = changes_since(root, facts["snapshot"], identity)
    write_json(root / PREVIOUS, facts | {"split_by": split_by} | changes)
    return identity


def absolute(source: str) -> str:
    """Returns a folder's absolute path, since stages run elsewhere; a URL or "" as it is."""
    return source if not source or "://" in source else str(Path(source).resolve())


def import_here(
    project: Project,
    source: str,
    commit: bool,
    log: Callable[[str], None],
    verify: bool = False,
    columns: dict[str, str] | None = None,
) -> str:
    """Imports a shop into the user's own checkout, for `variants snapshot`.

    Args:
        commit: whether to commit the changed pointer files.
        verify, columns: as of `import_shop_into`.

    Returns:
        The snapshot's id.

    Raises:
        UserError: the import refuses the shop.
    """
    project.room.mkdir(exist_ok=True)
    with FileLock(project.room / "snapshot.lock"):  # the folder is the same for all
        where = project.root, absolute(source)
        identity = import_shop_into(project, *where, log, verify, columns)
        if commit:
            files = [str(POINTER), str(PREVIOUS)]
            commit_files(project.root, files, f"data: snapshot {identity[:12]}")
    return identity


def changes_since(root: Path, previous: object, identity: str) -> dict[str, object]:
    """Returns how many products and pairs a snapshot adds, removes and changes.

    Args:
        root: top folder of a checkout, whose cache holds the snapshots.
        previous: id of the snapshot before; None: there is none.

    Returns:
        {"changes": {"products": …, "pairs": …}}, or nothing if the cache lacks the one before.
    """
    if previous is None:
        return {}
    try:
        before, after = (open_stored(root, str(one)).tables() for one in (previous, identity))
    except UserError:
        return {}
    diff = diff_snapshots(before, after)
    return {"changes": {"products": diff.products.counts(), "pairs": diff.pairs.counts()}}


def restore_snapshot(project: Project, root: Path, log: Callable[[str], None]) -> str:
    """Fetches the snapshot that a checkout's commit points to; returns the snapshot's id.

    Args:
        root: top folder of the checkout, which may be a worktree of the project.
        log: called with each line that DVC prints.
    """
    identity = snapshot_id(root)
    with using_cache(root):
        dvc(root, ["checkout", "--quiet", str(POINTER)], log)
        register_clone(project, {identity}, log)
    return identity


def previous_snapshot(project: Project, source: str, identity: str) -> dict[str, object] | None:
    """Finds the previous snapshot of the same source on all branches of the clone.

    A snapshot that was imported before keeps its predecessor of that time, so that a second import
    changes nothing.

    Returns:
        {"source", "snapshot": id, "products": number of products, "split_by": what it was split by,
        or None}, or None.
    """
    newest: dict[str, object] | None = None
    for commit in project.git("rev-list", "--branches", "--", POINTER.as_posix()).splitlines():
        text = _committed(project, commit, POINTER)
        if text is None:
            continue  # the commit removed the pointer
        try:
            pointer = read_pointer(text, f"the commit {commit}")
        except UserError:
            continue  # a person broke it, and a later commit mended it
        if pointer.source != source or pointer.products is None:
            continue
        if pointer.snapshot == identity:
            known = _noted(project, commit)
            return known if known.get("snapshot") else None
        newest = newest or {
            "source": source,
            "snapshot": pointer.snapshot,
            "products": pointer.products,
            "split_by": _noted(project, commit).get("split_by"),
        }
    return newest


def _noted(project: Project, commit: str) -> dict[str, object]:
    """The content of data/previous.json in a commit; empty if it has none that can be read."""
    try:
        content = json.loads(_committed(project, commit, PREVIOUS) or "{}")
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _committed(project: Project, commit: str, file: Path) -> str | None:
    """The content of a file in a commit, or None if the commit does not hold it."""
    place = f"{commit}:{file.as_posix()}"
    held = succeeds(project.root, "cat-file", "-e", place)
    return project.git("cat-file", "blob", place) if held else None
