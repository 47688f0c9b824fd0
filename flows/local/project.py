"""The project that a command works on: the clone, and its folder `.variants`.

The folder holds everything that runs create outside of git and DVC.
"""

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows.local.git import git, top_folder
from ml.core.errors import UserError


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
    def reads_only(self) -> bool:
        """Whether this account cannot write into `.variants`: a read-only mount, for instance."""
        return not os.access(self.room if self.room.exists() else self.root, os.W_OK)

    @cached_property
    def mlflow_uri(self) -> str:
        """The URI of MLflow: MLFLOW_TRACKING_URI if set, otherwise an embedded sqlite store."""
        named = os.environ.get("MLFLOW_TRACKING_URI")
        if not named:
            return f"sqlite:///{self.room / 'mlflow.db'}"
        store = named.removeprefix("sqlite:///")
        if store == named or Path(store).is_absolute():
            return named
        return f"sqlite:///{Path(store).resolve()}"  # stages and servers run in other folders

    def git(self, *arguments: str) -> str:
        """Runs git in the clone; see `flows.local.git.git`."""
        return git(self.root, *arguments)


def find_project(start: Path | None = None) -> Project:
    """Finds the project that contains a folder (default: the current folder).

    Raises:
        UserError: the folder is not in a git clone, or the clone is not one of this project.
    """
    start = (start or Path.cwd()).resolve()
    root = top_folder(start)
    for needed in ("dvc.yaml", "params.yaml"):
        if not (root / needed).is_file():
            raise UserError(
                f"the git clone '{root}' is not one of this project, since it has no {needed}: run "
                "`variants` inside a clone of this project"
            )
    return Project(root)
