"""DVC's configuration, read and written by DVC itself: on every level, whatever paths it holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.config import Config, ConfigError
from dvc.config_schema import RelPath

from ml.core.errors import UserError

FILES = "files/md5"  # below a cache or remote: the folder of all files, which their MD5 names
UNREADABLE = (ConfigError, SyntaxError)  # the latter is the base of its parser's errors


def cache_of(root: Path) -> Path:
    """Returns the folder of a clone's DVC cache.

    Any level of the configuration may name it: system, global, repository or local.

    Raises:
        UserError: the configuration cannot be read.
    """
    named = _config(root).get("cache", {}).get("dir")
    return Path(named or root / ".dvc/cache").resolve()


def place_in_cache(cache: Path, md5: str) -> Path:
    """Returns where a cache keeps the file of an MD5; that of a folder ends in `.dir`."""
    return cache / FILES / md5[:2] / md5[2:]


def share_cache(root: Path, worktree: Path) -> None:
    """Lets a worktree's DVC use the cache of its clone, and what the clone's local level says.

    It is written into the level that git ignores, as a relative path: so no character of the place
    where the clone lies is in it.

    Raises:
        UserError: the configuration of the clone cannot be read, or cannot be written again.
    """
    local = _config(root).read("local")
    local["cache"]["dir"] = RelPath(cache_of(root))
    with _edited(worktree) as settings:
        settings.update(local)


def share_remotes(root: Path, other: Path) -> None:
    """Lets another checkout use the remotes of a clone, and their credentials.

    They are written into the level that git ignores; what the other one's commit says of remotes
    counts less. What is fetched there is hashed, so that nobody who writes to a remote changes it.

    Raises:
        UserError: the configuration of the clone cannot be read, or cannot be written again.
    """
    config = _config(root)
    with _edited(other) as settings:
        for level in ("repo", "local"):
            found = config.read(level)
            for name, remote in found.get("remote", {}).items():
                settings["remote"].setdefault(name, {}).update(remote | {"verify": True})
            if found.get("core", {}).get("remote"):
                settings["core"]["remote"] = found["core"]["remote"]


def add_remote(root: Path, name: str, folder: Path) -> None:
    """Adds a folder of this machine to a clone's remotes, in the level that git ignores.

    It is written as a relative path, as in `share_cache`.

    Raises:
        UserError: the configuration cannot be written.
    """
    with _edited(root) as settings:
        settings["remote"][name] = {"url": RelPath(folder)}


def default_remote(root: Path) -> str | None:
    """Returns the name of the clone's default remote, or None."""
    name = _config(root).get("core", {}).get("remote")
    return str(name) if name else None


def existing_remote(root: Path) -> str:
    """Returns the name of the clone's default remote.

    Raises:
        UserError: there is none.
    """
    name = default_remote(root)
    if not name:
        raise UserError(
            "there is no DVC remote: add one with `dvc remote add --default NAME URL`, such as a "
            "folder of another disk or s3://BUCKET/dvc (docs/how-to-grow.md)"
        )
    return name


@contextmanager
def _edited(root: Path) -> Iterator[dict[str, Any]]:
    """The settings of a clone's local level; they are written when the block ends."""
    try:
        with _config(root).edit("local", validate=False) as settings:
            yield settings
    except (*UNREADABLE, UnicodeError) as error:
        raise UserError(f"DVC cannot write its configuration: {error}") from error


def _config(root: Path) -> Config:
    try:
        return Config(dvc_dir=str(root / ".dvc"))
    except UNREADABLE as error:
        raise UserError(f"DVC's configuration of '{root}' cannot be read: {error}") from error
