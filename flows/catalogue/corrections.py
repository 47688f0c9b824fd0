"""The corrections and locks of a catalogue, in the store beside its versions."""

import csv
import hashlib
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from filelock import FileLock

from flows.local.project import Project
from ml.catalogue.constraints import Constraints, constraints
from ml.catalogue.corrections import (
    CORRECTION_COLUMNS,
    WITHDRAWN,
    check_corrections,
    no_corrections,
)
from ml.catalogue.locks import LOCK_COLUMNS, check_locks, no_locks
from ml.catalogue.memory import Said
from ml.catalogue.store import Store
from ml.catalogue.versions import FOLDER
from ml.data.blocks import block_numbers
from ml.snapshot.tables import read_csv

CORRECTIONS, LOCKS = "corrections.csv", "locks.csv"


def read_corrections(store: Store, catalogue: str) -> pd.DataFrame:
    """Reads all that was said about pairs of a catalogue; see `check_corrections`.

    Raises:
        UserError: the file was edited into something that cannot be read.
    """
    table = _read(store, catalogue, CORRECTIONS)
    return no_corrections() if table is None else check_corrections(table, CORRECTIONS)


def read_locks(store: Store, catalogue: str) -> pd.DataFrame:
    """Reads all locks and unlocks of a catalogue; see `check_locks`. It raises likewise."""
    table = _read(store, catalogue, LOCKS)
    return no_locks() if table is None else check_locks(table, LOCKS)


@contextmanager
def correcting(project: Project, store: Store, catalogue: str) -> Iterator[None]:
    """Lets one process correct a catalogue at a time; others wait.

    The lock lies in the store if that is a folder, which several machines may share. A store at a
    URL is locked on this machine only: there, two people on two machines who correct the same
    catalogue within the same second may lose a word.
    """
    folder = Path(store.path(FOLDER)) / catalogue if store.local else project.room / "catalogues"
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{catalogue}.corrections.lock"):
        yield


def append(store: Store, catalogue: str, file: str, rows: pd.DataFrame) -> None:
    """Adds rows at the end of a file, which is replaced as a whole; nothing is ever removed.

    Args:
        file: `CORRECTIONS` or `LOCKS`.
        rows: as `check_corrections` and `check_locks` return them.
    """
    columns = CORRECTION_COLUMNS if file == CORRECTIONS else LOCK_COLUMNS
    name = f"{FOLDER}/{catalogue}/{file}"
    content = store.read(name) if store.exists(name) else _csv([columns])
    if content and not content.endswith(b"\n"):
        content += b"\n"
    flags = {
        one: rows[one].astype("Int64").astype(object).fillna(WITHDRAWN)
        for one in ("same", "locked")
        if one in rows
    }
    store.write(name, content + _csv(rows.assign(**flags)[list(columns)].to_numpy().tolist()))


class Heard(NamedTuple):
    """What people said of the products of a catalogue.

    Attributes:
        held: the constraints of the products.
        said: the same for `ml.catalogue.memory.regroup`; None if nothing was ever said.
        digest: of all words; None if nothing was ever said.
        rows: numbers of rows of corrections and of locks.
        added: whether all words that the version before holds still stand, whatever was added.
            Otherwise somebody has edited the files, and nobody knows which products that concerns.
    """

    held: Constraints
    said: Said | None
    digest: str | None
    rows: tuple[int, int]
    added: bool


def said_about(
    store: Store, catalogue: str, before: dict[str, Any] | None = None
) -> Callable[[pd.DataFrame], Heard]:
    """Returns what tells, for a table of products, what people said of a catalogue.

    The function takes products: product_id, brand, gender, article_type, maybe problem: why the
    picture cannot be read.

    Args:
        before: facts of the version before, see `ml.catalogue.versions.Version`; None: there is
            none.

    Raises:
        UserError: the corrections contradict each other, since somebody edited the files.
    """
    corrections, locks = read_corrections(store, catalogue), read_locks(store, catalogue)
    held_before = before["corrections"] if before else None
    first, second = before.get("words", (0, 0)) if before else (0, 0)
    added = held_before in (None, _digest(corrections[:first], locks[:second]))

    def about(products: pd.DataFrame) -> Heard:
        block = block_numbers(products)
        readable = products["problem"].isna().to_numpy() if "problem" in products else None
        ids = products["product_id"].tolist()
        held = constraints(corrections, locks, ids, block, readable)
        if not len(corrections) and not len(locks):
            return Heard(held, None, None, (0, 0), added)
        locked = np.full(len(products), -1)
        for number, members in enumerate(held.locked.values()):
            locked[members] = number
        named = products["product_id"].isin(
            pd.concat([corrections["left"], corrections["right"], locks["product_id"]])
        )
        said = Said(held.same, held.different, locked, named.to_numpy())
        rows = (len(corrections), len(locks))
        return Heard(held, said, _digest(corrections, locks), rows, added)

    return about


def _digest(corrections: pd.DataFrame, locks: pd.DataFrame) -> str:
    return hashlib.sha256((corrections.to_csv() + locks.to_csv()).encode()).hexdigest()


def tell_of(held: Constraints, log: Callable[[str], None]) -> None:
    """Says which corrections cannot hold now: they are kept, and nothing expires silently."""
    for table, why in (
        (held.gone, "are of products that the catalogue no longer has; they are kept, and hold "
         "again when the products come back"),
        (held.apart, "join products of two blocks, which are never compared: correct brand, gender "
         "or article type in the shop"),
    ):  # fmt: skip
        if len(table):
            named = ", ".join(f"{a} and {b}" for a, b in table[["left", "right"]].to_numpy()[:3])
            more = ", …" if len(table) > 3 else ""
            log(f"warning: {len(table)} corrections ({named}{more}) {why}")


def _read(store: Store, catalogue: str, file: str) -> pd.DataFrame | None:
    name = f"{FOLDER}/{catalogue}/{file}"
    if not store.exists(name):
        return None
    return read_csv(store.read(name), store.path(name), delimiter=",")


def _csv(rows: Sequence[Sequence[object]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()
