"""Snapshots in a checkout: imported, tracked by DVC, committed by git."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from flows.local.pipeline import dvc, run_module
from flows.local.project import Project, author, git
from ml.core.errors import UserError
from ml.core.files import read_table, write_json
from ml.core.paths import PREVIOUS, SNAPSHOT

POINTER = SNAPSHOT.with_suffix(".dvc")


def snapshot_id(root: Path) -> str:
    """The id of the snapshot in a checkout: DVC's own hash of the folder.

    Raises:
        UserError: the checkout has no snapshot.
    """
    try:
        return str(yaml.safe_load((root / POINTER).read_text(encoding="utf-8"))["outs"][0]["md5"])
    except FileNotFoundError as error:
        raise UserError(
            "this commit has no snapshot: name a shop with --source, or import one first with `variants snapshot SHOP`"
        ) from error


def import_shop_into(root: Path, source: str, log: Callable[[str], None]) -> int:
    """Imports a shop into the data/snapshot of a checkout, with that checkout's code; returns the number of products.

    Raises:
        UserError: the shop is refused.
    """
    run_module(root, "ml.snapshot", [source], log)
    return len(read_table(root / SNAPSHOT / "catalog.parquet"))


def absolute(source: str) -> str:
    """A folder's absolute path, since stages run elsewhere; URLs (and none) stay as they are."""
    return source if not source or "://" in source else str(Path(source).resolve())


def import_here(project: Project, source: str, commit: bool, log: Callable[[str], None]) -> str:
    """`variants snapshot`: imports a shop into the user's own checkout; returns the snapshot's id."""
    source = absolute(source)
    products = import_shop_into(project.root, source, log)
    identity = track_snapshot(project, project.root, source, products, log)
    files = [str(POINTER), str(PREVIOUS)]
    if commit and project.git("status", "--porcelain", "--", *files):
        project.git("add", "--", *files)
        environment = author(project.root)
        git(
            project.root,
            "commit",
            "--quiet",
            "-m",
            f"data: snapshot {identity[:12]}",
            "--",
            *files,
            environment=environment,
        )
    return identity


def track_snapshot(
    project: Project, root: Path, source: str, products: int, log: Callable[[str], None]
) -> str:
    """Puts the imported data/snapshot of a checkout under DVC, and notes which snapshot of the same source came before.

    Returns:
        The snapshot's id.
    """
    dvc(root, ["add", "--quiet", str(SNAPSHOT)], log)
    identity = snapshot_id(root)
    pointer = yaml.safe_load((root / POINTER).read_text(encoding="utf-8"))
    pointer["meta"] = {"source": source, "products": products}
    (root / POINTER).write_text(yaml.safe_dump(pointer, sort_keys=False), encoding="utf-8")
    previous = previous_snapshot(project, source, identity)
    write_json(root / PREVIOUS, previous or {"source": None, "snapshot": None, "products": None})
    return identity


def restore_snapshot(root: Path, log: Callable[[str], None]) -> str:
    """Brings the snapshot that a commit points to into its checkout; returns its id."""
    identity = snapshot_id(root)
    dvc(root, ["checkout", "--quiet", str(POINTER)], log)
    return identity


def previous_snapshot(project: Project, source: str, identity: str) -> dict[str, object] | None:
    """The snapshot of the same source before this one, among all branches of the clone.

    A snapshot that was imported before keeps the predecessor it had then, so that importing it
    again changes nothing.
    """
    newest: dict[str, object] | None = None
    for commit in project.git("log", "--branches", "--format=%H", "--", str(POINTER)).splitlines():
        pointer = yaml.safe_load(project.git("show", f"{commit}:{POINTER.as_posix()}"))
        meta = pointer.get("meta") or {}
        if meta.get("source") != source:
            continue
        if pointer["outs"][0]["md5"] == identity:
            known: dict[str, object] = json.loads(
                project.git("show", f"{commit}:{PREVIOUS.as_posix()}")
            )
            return known if known["snapshot"] else None
        newest = newest or {
            "source": source,
            "snapshot": pointer["outs"][0]["md5"],
            "products": meta["products"],
        }
    return newest
