"""Folders that this account may not write, such as those of a read-only checkout."""

import errno
import os
from pathlib import Path

from ml.core.errors import UserError


def closed(place: str, why: str) -> str:
    """Returns what to do if this account may not read or write a file or folder.

    Args:
        place: the file or folder.
        why: the system's reason.
    """
    return (
        f"this account may not use {place} ({why}): give it the permission, or work in a clone of "
        "its own. Commands that only read (status, history, evaluate, group --out FOLDER) need no "
        "more than a registry that they can read, such as the server of MLFLOW_TRACKING_URI"
    )


def impossible(error: BaseException) -> str | None:
    """Returns what is wrong if an error is about a path at which nothing can be; otherwise None."""
    if isinstance(error, OSError) and error.errno in (errno.ENAMETOOLONG, errno.ELOOP):
        return f"nothing can be at '{error.filename}': {error.strerror}: name another place"
    if isinstance(error, RuntimeError) and str(error).startswith("Symlink loop"):  # of pathlib
        return f"{error}: name another place"
    return None


def refuse_file(file: Path) -> None:
    """Refuses a place where a file cannot be written, before long work begins.

    Raises:
        UserError: a folder is there; or its folder is refused, see `refuse_closed`.
    """
    if file.is_dir():
        raise UserError(f"'{file}' is a folder: name a file with --out")
    refuse_closed(file.parent)


def refuse_closed(folder: Path) -> None:
    """Refuses a folder that cannot be written or made, before long work begins.

    Raises:
        UserError: the folder, or the one that it would be made in, is closed to this account, or is
            no folder.
    """
    there = existing(folder)
    blocking = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), there)
    if not blocking.is_dir():
        raise UserError(f"'{blocking}' is a file: name a folder with --out")
    if not os.access(there, os.W_OK):
        raise UserError(closed(str(there), "it cannot be written"))


def existing(folder: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())
