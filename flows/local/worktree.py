"""Gives each retraining a git worktree and a branch, so that the user's checkout stays as it is."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from flows.local.dvc_config import share_cache
from flows.local.git import author, commit_staged, git, succeeds
from flows.local.project import Project
from ml.core.errors import UserError
from ml.core.files import remove, write_json
from ml.core.leftovers import mark


@dataclass(frozen=True)
class Worktree:
    """A worktree at `.variants/worktrees/ID` on the branch `retrain/ID`, using the clone's cache.

    Attributes:
        name: the ID: UTC time and four hexadecimal digits.
        base: the commit that the worktree starts from.
        dirty: whether `base` holds uncommitted changes of the user's checkout.
        alive: a lock that the run holds while it lives; the system frees it however the run ends.
    """

    project: Project
    name: str
    base: str
    dirty: bool
    alive: FileLock

    @property
    def root(self) -> Path:
        """Top folder of the worktree."""
        return self.project.room / "worktrees" / self.name

    @property
    def branch(self) -> str:
        """The branch that keeps the commits of the retraining."""
        return f"retrain/{self.name}"

    def commit(self, message: str) -> str:
        """Commits all changes, if there are any; returns the id of the branch's last commit."""
        git(self.root, "add", "--all", as_committed=True)
        if not succeeds(self.root, "diff-index", "--quiet", "--cached", "HEAD"):
            commit_staged(self.root, message)
        return git(self.root, "rev-parse", "HEAD")

    def note(self, **facts: Any) -> None:
        """Writes facts for whoever finds the worktree after a crash; replaces earlier notes."""
        write_json(notes_file(self.project, self.name), facts)

    def leave(self) -> None:
        """Releases the lock and leaves everything else in place, like a run that is killed."""
        self.alive.release()

    def close(self, keep_branch: bool) -> None:
        """Removes the worktree, and the branch unless it stays as the record of the run."""
        remove_worktree(self.project, self.name, keep_branch)
        self.alive.release()
        remove(Path(self.alive.lock_file))


def open_worktree(project: Project, allow_dirty: bool) -> Worktree:
    """Makes a worktree of the current commit.

    Args:
        allow_dirty: whether a checkout with uncommitted changes is allowed; they are then part of
            the worktree.

    Raises:
        UserError: the clone has no commit, or the checkout holds changes and `allow_dirty` is
            false.
    """
    if not _has_commit(project):
        raise UserError(
            "this clone has no commit yet: commit something first, since a retraining starts from "
            "a commit"
        )
    changes = project.git("status", "--porcelain")
    if changes and not allow_dirty:
        listed = "\n  ".join(changes.splitlines()[:10])
        raise UserError(
            f"the checkout holds changes that are not committed:\n  {listed}\n"
            "commit or stash them, or use --allow-dirty for a trial that can never be promoted"
        )
    base = _commit_of_changes(project) if changes else project.git("rev-parse", "HEAD")
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    worktree = Worktree(project, name, base, bool(changes), life(project, name))
    worktree.alive.acquire()
    try:
        with _lock(project):
            where = ["--quiet", "-b", worktree.branch, str(worktree.root), base]
            git(project.root, "worktree", "add", *where, as_committed=True)
        share_cache(project.root, worktree.root)
    except BaseException:  # such as a full disk
        worktree.close(keep_branch=False)
        raise
    return worktree


def remove_worktree(project: Project, name: str, keep_branch: bool) -> None:
    """Removes a worktree and its notes, and its branch unless `keep_branch`."""
    root, branch = project.room / "worktrees" / name, f"retrain/{name}"
    with _lock(project):
        remove(root)
        project.git("worktree", "prune")
        if not keep_branch and succeeds(
            project.root, "show-ref", "--verify", f"refs/heads/{branch}"
        ):
            project.git("update-ref", "-d", f"refs/heads/{branch}")
    remove(notes_file(project, name))


def worktrees(project: Project) -> list[str]:
    """Returns the names of all runs that have a worktree, alive or dead, oldest first."""
    return sorted(one.name for one in (project.room / "worktrees").glob("*") if one.is_dir())


def notes_file(project: Project, name: str) -> Path:
    """Returns the path of a run's notes."""
    return project.room / "worktrees" / f"{name}.json"


def life(project: Project, name: str) -> FileLock:
    """Returns the lock that the run of a worktree holds while it lives."""
    folder = project.room / "worktrees"
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / f"{name}.lock")


def _lock(project: Project) -> FileLock:
    project.room.mkdir(exist_ok=True)
    # Git's list of worktrees must not be changed by two processes at once.
    return FileLock(project.room / "worktrees.lock")


def _has_commit(project: Project) -> bool:
    return bool(project.git("rev-list", "--max-count=1", "--all"))


def _commit_of_changes(project: Project) -> str:
    """Commits the checkout as it is, untracked files too, without moving an index or a branch."""
    project.room.mkdir(exist_ok=True)
    index = project.room / f"index.{mark()}.part"
    variables = author(project.root) | {"GIT_INDEX_FILE": str(index)}
    try:
        git(project.root, "read-tree", "HEAD", variables=variables)
        git(project.root, "add", "--all", variables=variables)
        tree = git(project.root, "write-tree", variables=variables)
        message = "uncommitted changes of the checkout (--allow-dirty)"
        return git(
            project.root, "commit-tree", tree, "-p", "HEAD", "-m", message, variables=variables
        )
    finally:
        remove(index)
