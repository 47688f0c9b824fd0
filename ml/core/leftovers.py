"""Unfinished files bear the mark of their process, so that they can be removed after its death."""

import hashlib
import os
import platform
import re
import shutil
from pathlib import Path

MARK = re.compile(r"\.(?P<machine>[0-9a-f]{8})-(?P<process>\d+)\.")

ASIDE = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}-\d+\.old\.part")


def mark() -> str:
    """Returns what marks the unfinished files of this process: its machine and its process id."""
    machine = hashlib.sha256(platform.node().encode()).hexdigest()[:8]
    return f"{machine}-{os.getpid()}"


def remove_leftovers(folder: Path) -> list[str]:
    """Removes the marked files and folders in a folder whose process has ended.

    A process that is killed cannot remove them. Those of other machines, which may share the
    folder, stay: only their own machine can tell whether the process still lives. If the process
    had put a file or folder aside (.NAME.MARK.old.part) and nothing in its place yet, that one
    returns.

    Returns:
        The names of what was removed or has returned.
    """
    here, removed = mark().partition("-")[0], []
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = MARK.search(one.name)
        if found and found["machine"] == here and _ended(int(found["process"])):
            aside = ASIDE.fullmatch(one.name)
            if aside and not os.path.lexists(folder / aside["name"]):
                one.rename(folder / aside["name"])
            elif one.is_dir() and not one.is_symlink():
                shutil.rmtree(one)
            else:
                one.unlink()
            removed.append(one.name)
    return removed


def _ended(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False  # another user's
    return False
