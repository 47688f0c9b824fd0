"""The one place that calls git: no prompts, a cleaned environment and a stated configuration.

People have git set up for themselves: signatures, hooks, editors, aliases that run `variants`. None
of it may change what a flow commits or reads. Commands are plumbing where git has them, since their
output is the same for everybody.
"""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from flows.local.outages import FULL
from ml.core.errors import UserError

NOTHING = 2**20  # bytes; a disk with less free space counts as full
# The author of commits on a machine whose git has no user.
AUTHOR = {"name": "color-variants", "email": "color-variants@localhost"}

# Variables that point git elsewhere, as git sets them for hooks and aliases (`git rev-parse
# --local-env-vars`), and those that change what it prints, asks or runs.
UNSET = {
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES", "GIT_COMMON_DIR"),
    *("GIT_CONFIG", "GIT_CONFIG_COUNT", "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_EDITOR"),
    *("GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE"),
    *("GIT_INTERNAL_SUPER_PREFIX", "GIT_LITERAL_PATHSPECS", "GIT_NAMESPACE"),
    *("GIT_NO_REPLACE_OBJECTS", "GIT_OBJECT_DIRECTORY", "GIT_PAGER", "GIT_PREFIX"),
    *("GIT_QUARANTINE_PATH", "GIT_REPLACE_REF_BASE", "GIT_SEQUENCE_EDITOR", "GIT_SHALLOW_FILE"),
    *("GIT_TEMPLATE_DIR", "GIT_WORK_TREE", "GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"),
}
UNSET_PREFIXES = ("GIT_TRACE", "GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_")
SET = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "GIT_PAGER": "cat", "LC_ALL": "C.UTF-8"}
CONFIGURATION = {
    "color.ui": "never",
    "commit.gpgSign": "false",
    "core.fsmonitor": "false",
    "core.hooksPath": os.devnull,
    "core.quotePath": "false",
    "gc.auto": "0",
    "i18n.commitEncoding": "UTF-8",
    "i18n.logOutputEncoding": "UTF-8",
    "init.templateDir": "",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "status.showUntrackedFiles": "normal",
    "submodule.recurse": "false",
    "tag.gpgSign": "false",
}
# For tools that read git's configuration by themselves, such as DVC.
TOOLS = {
    "GIT_CONFIG_GLOBAL": str(Path(__file__).with_name("gitconfig")),
    "GIT_CONFIG_NOSYSTEM": "1",
}
# For checkouts of our own: their bytes decide the recipe, so they are as committed.
AS_COMMITTED = {"core.autocrlf": "false", "core.eol": "lf", "core.excludesFile": os.devnull}


def clean_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Returns an environment in which git, and tools that call it, work where they stand.

    Args:
        environment: what to clean; None: this process's.
    """
    found = os.environ if environment is None else environment
    return {
        name: value
        for name, value in found.items()
        if name not in UNSET and not name.startswith(UNSET_PREFIXES)
    }


def git(
    folder: Path,
    *arguments: str,
    variables: Mapping[str, str] | None = None,
    as_committed: bool = False,
) -> str:
    """Runs git in a folder.

    Args:
        variables: variables to set besides the cleaned environment of this process.
        as_committed: whether files are written and read byte for byte, whatever the user's
            configuration says about line ends and ignored files.

    Returns:
        What git prints, without the last line end.

    Raises:
        UserError: git failed or is not there; the message says what to do, or holds git's own.
    """
    result = _run(folder, arguments, variables, as_committed)
    # Git does not always say that the disk is full.
    if result.returncode and shutil.disk_usage(folder).free < NOTHING:
        raise UserError(FULL)
    if result.returncode:
        said = (result.stderr or result.stdout).strip()
        raise UserError(_unsafe(said) or f"git {' '.join(arguments)} failed: {said}")
    return result.stdout.rstrip("\n")


def succeeds(folder: Path, *arguments: str) -> bool:
    """Returns whether a git command succeeds, for questions that its exit code answers."""
    return _run(folder, arguments, None, False).returncode == 0


def top_folder(folder: Path) -> Path:
    """Returns the top folder of the clone that a folder is in.

    Raises:
        UserError: it is in none, or git does not trust the clone.
    """
    result = _run(folder, ("rev-parse", "--show-toplevel"), None, False)
    if result.returncode == 0:
        return Path(result.stdout.rstrip("\n"))
    raise UserError(
        _unsafe(result.stderr)
        or f"'{folder}' is not in a git clone: run `variants` inside a clone of this project; a "
        "retraining starts from a commit, so that it can be reproduced"
    )


def author(folder: Path) -> dict[str, str]:
    """Returns the variables of a commit's author and committer.

    Both are git's user, or `AUTHOR` where git has none. What this process's environment says of
    them counts more.
    """
    variables = {}
    for part, value in AUTHOR.items():
        known = git(folder, "config", "--default", "", "--get", f"user.{part}")
        for role in ("AUTHOR", "COMMITTER"):
            name = f"GIT_{role}_{part.upper()}"
            variables[name] = os.environ.get(name) or known or value
    return variables


def commit_staged(folder: Path, message: str, variables: Mapping[str, str] | None = None) -> str:
    """Commits an index on the branch of a checkout; returns the commit.

    No hook runs, nothing is signed and no editor opens.

    Args:
        variables: such as GIT_INDEX_FILE, for another index than the checkout's own.
    """
    variables = author(folder) | dict(variables or {})
    tree = git(folder, "write-tree", variables=variables)
    parents = ["-p", "HEAD"] if succeeds(folder, "rev-parse", "--verify", "HEAD") else []
    commit = git(folder, "commit-tree", tree, *parents, "-m", message, variables=variables)
    git(folder, "update-ref", "-m", f"commit: {message}", "HEAD", commit, variables=variables)
    return commit


def commit_files(folder: Path, files: list[str], message: str) -> None:
    """Commits some files of a checkout, if they changed; what else is staged there stays staged.

    Args:
        files: paths below `folder`.
    """
    git(folder, "add", "--force", "--", *files)
    known = succeeds(folder, "rev-parse", "--verify", "HEAD")
    if known and succeeds(folder, "diff-index", "--quiet", "--cached", "HEAD", "--", *files):
        return
    with TemporaryDirectory() as place:
        index = {"GIT_INDEX_FILE": str(Path(place, "index"))}
        if known:
            git(folder, "read-tree", "HEAD", variables=index)
        git(folder, "add", "--force", "--", *files, variables=index)
        commit_staged(folder, message, index)


def author_of(folder: Path, commit: str = "HEAD") -> str:
    """Returns the name of a commit's author."""
    return git(folder, "rev-list", "--max-count=1", "--no-commit-header", "--format=%an", commit)


def _run(
    folder: Path,
    arguments: tuple[str, ...],
    variables: Mapping[str, str] | None,
    as_committed: bool,
) -> subprocess.CompletedProcess[str]:
    settings = CONFIGURATION | (AS_COMMITTED if as_committed else {})
    stated = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    try:
        return subprocess.run(
            ["git", *stated, *arguments],
            cwd=folder,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            encoding="utf-8",
            errors="surrogateescape",
            check=False,
            env=clean_environment() | SET | dict(variables or {}),
        )
    except FileNotFoundError as error:
        if not folder.is_dir():
            raise UserError(f"there is no folder '{folder}'") from error
        raise UserError(
            "there is no git on PATH: install git; `variants` works on a git clone, and every "
            "retraining is a commit"
        ) from error


def _unsafe(said: str) -> str | None:
    """What to do where git refuses a clone that belongs to somebody else; None otherwise."""
    if "dubious ownership" not in said:
        return None
    quoted = said.partition("repository at '")[2].partition("'")[0]
    return (
        f"git does not trust the clone '{quoted}', since it belongs to another user. If you trust "
        f"it: git config --global --add safe.directory '{quoted}'"
    )
