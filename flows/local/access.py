"""Folders that this account may not write, such as those of a read-only checkout."""

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


def refuse_closed(folder: Path) -> None:
    """Refuses a folder that this account may neither write nor make, before long work begins.

    Raises:
        UserError: the folder, or the one that it would be made in, is closed to this account.
    """
    there = existing(folder)
    if not os.access(there, os.W_OK):
        raise UserError(closed(str(there), "it cannot be written"))


def existing(folder: Path) -> Path:
    """Returns the folder, or the nearest one above it that exists."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())
