"""Disk space that a file will need, taken before it is written."""

import os
from pathlib import Path


def reserve(path: Path) -> None:
    """Allocates the disk space of a sparse file.

    On a full disk a write to the file's memory map would kill the process.

    Raises:
        OSError: the disk has too little space.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
