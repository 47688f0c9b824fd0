"""The project that a command works on: the clone, and its folder `.variants`.

The folder holds everything that runs create outside of git and DVC.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows.local.outages import FULL
from ml.core.errors import UserError

NOTHING = 2**20  # bytes; a disk with less free space counts as full
# The author of commits on a machine whose git has no user.
AUTHOR = {"name": "color-variants", "email": "color-variants@localhost"}


@dataclass(frozen=True)
class Project:
    """A git clone of this repository.

    Attributes:
        root: the top folder of the checkout.
    """

    root: Path

    @property
    def room(self) -> Path:
        """The folder `.variants` for everything that runs create; git ignores it."""
        return self.root / ".variants"

    @cached_property
    def mlflow_uri(self) -> str:
        """The URI of MLflow: MLFLOW_TRACKING_URI if set, otherwise an embedded sqlite store."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.room / 'mlflow.db'}"

    def git(self, *arguments: str) -> str:
        """Runs git in the clone; see the function `git`."""
        return git(self.root, *arguments)


def find_project(start: Path | None = None) -> Project:
    """Finds the project that contains a folder (default: the current folder).

    Raises:
        UserError: the folder is not in a git clone, or the clone is not one of this project.
    """
    start = (start or Path.cwd()).resolve()
    found = subprocess.run(
        ["git", "rev-parse", "--show-toplevel"],
        cwd=start,
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise UserError(
            f"'{start}' is not in a git clone: run `variants` inside a clone of this project; a "
            "retraining starts from a commit, so that it can be reproduced"
        )
    root = Path(found.stdout.strip())
    for needed in ("dvc.yaml", "params.yaml"):
        if not (root / needed).is_file():
            raise UserError(
                f"the git clone '{root}' is not one of this project, since it has no {needed}: run "
                "`variants` inside a clone of this project"
            )
    return Project(root)


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Runs git in a folder.

    Args:
        environment: all variables of the process; None: those of this process.

    Returns:
        What git prints, without the last line end.

    Raises:
        UserError: git failed; the message holds git's own, or says that the disk is full.
    """
    result = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment or dict(os.environ),
    )
    # Git does not always say that the disk is full.
    if result.returncode and shutil.disk_usage(folder).free < NOTHING:
        raise UserError(FULL)
    if result.returncode:
        raise UserError(
            f"git {' '.join(arguments)} failed: {(result.stderr or result.stdout).strip()}"
        )
    return result.stdout.rstrip("\n")


def author(folder: Path) -> dict[str, str]:
    """Returns the environment for a commit: this process's, with an author and a committer.

    Both are git's user, or `AUTHOR` where git has none. Variables that are set already stay.
    """
    environment = dict(os.environ)
    for part, value in AUTHOR.items():
        known = git(folder, "config", "--default", "", "--get", f"user.{part}")
        for role in ("AUTHOR", "COMMITTER"):
            environment.setdefault(f"GIT_{role}_{part.upper()}", known or value)
    return environment
