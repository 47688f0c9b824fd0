"""Where the store of a project is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows.local.project import Project
from ml.catalogue.store import Store
from ml.core.errors import UserError
from ml.snapshot.shop_paths import refuse_credentials

VARIABLE = "VARIANTS_STORE"
TRIMMING = "trimming"  # lock of whoever removes what no grouping may need


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
def one_grouping_at_a_time(project: Project, store: Store, catalogue: str) -> Iterator[None]:
    """Lets one process group a catalogue at a time; others wait, also for `nobody_groups`.

    The lock lies in the store if that is a folder, which several checkouts may share. A store at a
    URL is locked in this checkout only.
    """
    if project.reads_only:
        yield
        return
    folder = _locks(project, store)
    with FileLock(folder / f"{catalogue}.lock"):
        with FileLock(folder / TRIMMING):
            pass
        yield


@contextmanager
def nobody_groups(project: Project, store: Store) -> Iterator[None]:
    """Lets no grouping begin while the block runs, wherever `one_grouping_at_a_time` does.

    Raises:
        UserError: one has begun already.
    """
    folder = _locks(project, store)
    with FileLock(folder / TRIMMING):
        for lock in sorted(folder.glob("*.lock")):
            try:
                with FileLock(lock, timeout=0):
                    pass
            except Timeout as error:
                raise UserError(
                    f"the catalogue '{lock.stem}' is being grouped: do it when that has ended"
                ) from error
        yield


def _locks(project: Project, store: Store) -> Path:
    folder = Path(store.path(".locks")) if store.local else project.room / "catalogues"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
