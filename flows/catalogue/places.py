"""Where the store of a project is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from flows.local.project import Project
from ml.catalogue.store import Store
from ml.core.errors import UserError
from ml.snapshot.shop_paths import refuse_credentials

VARIABLE = "VARIANTS_STORE"


def store_of(project: Project) -> Store:
    """Returns the store: the folder or fsspec URL in VARIANTS_STORE, otherwise `.variants/store`.

    Raises:
        UserError: the URL holds a password or token, or nothing can open it, or it is a file.
    """
    url = os.environ.get(VARIABLE, "")
    if not url:
        return Store(str(project.room / "store"))
    refuse_credentials(url)
    if os.path.lexists(url) and not Path(url).is_dir():
        raise UserError(f"{VARIABLE}={url} is a file: name a folder, or the URL of one")
    try:
        return Store(url if "://" in url else str(Path(url).resolve()))
    except (ImportError, ValueError) as error:
        raise UserError(f"{VARIABLE}={url} cannot be opened: {error}") from error


@contextmanager
def one_grouping_at_a_time(project: Project, catalogue: str) -> Iterator[None]:
    """Lets one process of this machine group a catalogue; others wait."""
    if project.reads_only:
        yield
        return
    folder = project.room / "catalogues"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f"{catalogue}.lock"):
        yield
