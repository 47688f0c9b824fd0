"""Folders for what a command needs only as long as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

from flows.local.project import Project
from ml.core.leftovers import mark, remove_leftovers


@contextmanager
def scratch(project: Project, purpose: str) -> Iterator[Path]:
    """Makes a new folder, and removes it when the block ends.

    It is in `.variants/tmp`, or in the system's folder for temporary files if the checkout is
    read-only. What killed commands left in `.variants/tmp` is removed first.

    Args:
        purpose: a word for the folder's name.

    Yields:
        The folder.
    """
    place = Path(gettempdir()) if project.reads_only else scratch_room(project)
    if not project.reads_only:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place)
    with TemporaryDirectory(dir=place, prefix=f"{purpose}.{mark()}.") as folder:
        yield Path(folder)


def scratch_room(project: Project) -> Path:
    """Returns the folder of all scratch folders of a checkout that can be written."""
    return project.room / "tmp"
