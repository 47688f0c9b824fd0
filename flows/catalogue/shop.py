"""The shop of a catalogue: its copy stays, so that the next grouping reads only what is new."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from flows.local.project import Project
from flows.local.temporary_import import borrowed, products_of
from ml.core.files import remove
from ml.snapshot.stage import Memory, import_shop

PICTURES = "snapshot/images"  # of a copy


@contextmanager
def kept_shop(
    project: Project, source: str, columns: dict[str, str], log: Callable[[str], None] = print
) -> Iterator[pd.DataFrame]:
    """Imports a shop into `.variants/catalogues`, where it stays; nobody else changes it meanwhile.

    In a checkout that is read-only, the copy goes when the block ends.

    Args:
        source: folder or fsspec URL.
        columns: the shop's names of columns → the format's.
        log: called with each warning.

    Yields:
        The catalogue, see `flows.local.temporary_import.ShopTable`.

    Raises:
        UserError: as `flows.local.temporary_import.borrowed`.
    """
    if project.reads_only:
        with borrowed(project, source, columns) as shop:
            yield shop.products
        return
    folder = kept_folder(project, source, columns)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        snapshot = folder / "snapshot"
        memory = Memory(folder / "index.parquet", project.room / "fetched")
        import_shop(source, snapshot, memory, columns, log)
        yield products_of(snapshot, source)


def kept_folder(project: Project, source: str, columns: dict[str, str]) -> Path:
    """Returns the folder of a shop's copy, which may not exist."""
    named = "\n".join([source, *(f"{key}={value}" for key, value in sorted(columns.items()))])
    return project.room / "catalogues" / hashlib.sha256(named.encode()).hexdigest()[:32]


def kept_picture(project: Project, source: str, columns: dict[str, str], sha256: str) -> Path:
    """Returns where a copy of a shop has a picture, if one has it: this shop's, else another's.

    Products that the last shop did not bring, as with `--new-only`, are in the copy of an earlier
    one.

    Args:
        sha256: of a product of this shop; never a text from outside.
    """
    own = kept_folder(project, source, columns) / PICTURES / sha256
    if own.is_file():
        return own
    others = (one / PICTURES / sha256 for one in kept_folders(project))
    return next((one for one in others if one.is_file()), own)


def kept_folders(project: Project) -> list[Path]:
    """Returns the folders of all copies of shops."""
    return sorted((project.room / "catalogues").glob("*/"))


def trim_shops(project: Project, needed: set[str]) -> int:
    """Removes the copies of shops that have none of some pictures.

    A copy that a grouping uses at this moment stays.

    Args:
        needed: SHA-256 of pictures.

    Returns:
        How many copies went.
    """
    gone = 0
    for folder in kept_folders(project):
        with suppress(Timeout), FileLock(folder / "lock", timeout=0):
            here = {one.name for one in (folder / PICTURES).glob("*")}
            if not here & needed:
                remove(folder)
                gone += 1
    return gone
