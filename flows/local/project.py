"""The project that commands work on: its clone, and the folder `.variants` that holds everything runs leave behind."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows.local.outages import FULL
from ml.core.errors import UserError

NOTHING = 2**20  # bytes: a disk with less is full
AUTHOR = {"name": "color-variants", "email": "color-variants@localhost"}  # where git knows nobody


@dataclass(frozen=True)
class Project:
    """A git clone of this repository.

    Attributes:
        root: the top folder of the checkout.
    """

    root: Path

    @property
    def room(self) -> Path:
        """Where everything that runs leave goes; ignored by git."""
        return self.root / ".variants"

    @cached_property
    def mlflow_uri(self) -> str:
        """The tracking server: MLFLOW_TRACKING_URI, else an embedded sqlite store."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.room / 'mlflow.db'}"

    def git(self, *arguments: str) -> str:
        """What git prints; raises UserError with git's own words where it fails."""
        return git(self.root, *arguments)


def find_project(start: Path | None = None) -> Project:
    """The project around a folder (default: the current one).

    Raises:
        UserError: the folder is in no git clone, or in a clone of something else.
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
            f"'{start}' is not in a git clone: run `variants` inside a clone of this project; a retraining is made "
            "from a commit, so that it can be reproduced"
        )
    root = Path(found.stdout.strip())
    for needed in ("dvc.yaml", "params.yaml"):
        if not (root / needed).is_file():
            raise UserError(
                f"the git clone '{root}' is not one of this project: it has no {needed}"
            )
    return Project(root)


def git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    """Runs git in a folder.

    Returns:
        Its output without the line end.

    Raises:
        UserError: with what git said.
    """
    result = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=environment or dict(os.environ),
    )
    if (
        result.returncode and shutil.disk_usage(folder).free < NOTHING
    ):  # of which git does not always speak
        raise UserError(FULL)
    if result.returncode:
        raise UserError(
            f"git {' '.join(arguments)} failed: {(result.stderr or result.stdout).strip()}"
        )
    return result.stdout.rstrip("\n")


def author(folder: Path) -> dict[str, str]:
    """The environment for a commit, with an author for machines on which git knows nobody."""
    environment = dict(os.environ)
    for part, value in AUTHOR.items():
        known = git(folder, "config", "--default", "", "--get", f"user.{part}")
        for role in ("AUTHOR", "COMMITTER"):
            environment.setdefault(f"GIT_{role}_{part.upper()}", known or value)
    return environment
