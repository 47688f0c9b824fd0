"""A git worktree and branch of its own for each retraining, so that the user's checkout is never touched."""

import configparser
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from flows.project import Project, author, git
from ml.errors import UserError
from ml.files import remove


@dataclass(frozen=True)
class Workspace:
    """A worktree at `.variants/worktrees/ID` on the branch `retrain/ID`; its DVC cache is the clone's.

    Attributes:
        base: the commit it began with; dirty: whether that commit holds uncommitted changes of the user's checkout.
    """

    project: Project
    name: str
    base: str
    dirty: bool

    @property
    def root(self) -> Path:
        """Top folder of the worktree."""
        return self.project.room / "worktrees" / self.name

    @property
    def branch(self) -> str:
        """The branch that keeps what the retraining commits."""
        return f"retrain/{self.name}"

    def commit(self, message: str) -> str:
        """Commits everything that git does not ignore, if there is any; returns the branch's commit."""
        git(self.root, "add", "--all")
        if git(self.root, "status", "--porcelain"):
            git(self.root, "commit", "--quiet", "--no-verify", "-m", message, environment=author(self.root))
        return git(self.root, "rev-parse", "HEAD")

    def close(self, keep_branch: bool) -> None:
        """Removes the worktree; the branch stays as the run's record, or goes too."""
        with _lock(self.project):
            remove(self.root)
            self.project.git("worktree", "prune")
            if not keep_branch and git(self.project.root, "branch", "--list", self.branch):
                self.project.git("branch", "-D", "--quiet", self.branch)


def open_workspace(project: Project, allow_dirty: bool) -> Workspace:
    """Makes a worktree of the current commit.

    Raises:
        UserError: the clone has no commit, or the checkout holds changes and `allow_dirty` is false.
    """
    if not _has_commit(project):
        raise UserError("this clone has no commit yet: commit something first; a retraining is made from a commit")
    changes = project.git("status", "--porcelain")
    if changes and not allow_dirty:
        listed = "\n  ".join(changes.splitlines()[:10])
        raise UserError(
            f"the checkout holds changes that are not committed:\n  {listed}\n"
            "commit or stash them, or use --allow-dirty for a trial that can never be promoted"
        )
    base = _commit_of_changes(project) if changes else project.git("rev-parse", "HEAD")
    name = f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
    workspace = Workspace(project, name, base, bool(changes))
    with _lock(project):
        project.git("worktree", "add", "--quiet", "-b", workspace.branch, str(workspace.root), base)
    share_cache(project, workspace.root)
    return workspace


def share_cache(project: Project, worktree: Path) -> None:
    """Points the worktree's DVC at the clone's cache, in the config file that git ignores."""
    cache = project.root / ".dvc/cache"
    for file in (project.root / ".dvc/config", project.root / ".dvc/config.local"):
        config = configparser.ConfigParser(interpolation=None)
        config.read(file, encoding="utf-8")
        cache = file.parent / config.get("cache", "dir", fallback=str(cache))
    (worktree / ".dvc/config.local").write_text(f"[cache]\n    dir = {cache.resolve()}\n", encoding="utf-8")


def _lock(project: Project) -> FileLock:
    project.room.mkdir(exist_ok=True)
    return FileLock(project.room / "worktrees.lock")  # git's own list of worktrees is not safe to change in parallel


def _has_commit(project: Project) -> bool:
    return bool(project.git("rev-list", "--max-count=1", "--all"))


def _commit_of_changes(project: Project) -> str:
    """A commit of the checkout as it is, untracked files included; neither the user's index nor any branch moves."""
    project.room.mkdir(exist_ok=True)
    index = project.room / f"index.{os.getpid()}"
    environment = author(project.root) | {"GIT_INDEX_FILE": str(index)}
    try:
        git(project.root, "read-tree", "HEAD", environment=environment)
        git(project.root, "add", "--all", environment=environment)
        tree = git(project.root, "write-tree", environment=environment)
        message = "uncommitted changes of the checkout (--allow-dirty)"
        return git(project.root, "commit-tree", tree, "-p", "HEAD", "-m", message, environment=environment)
    finally:
        remove(index)
