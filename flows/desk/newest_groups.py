"""The newest grouping of each catalogue, read once and kept until there is a newer one."""

from dataclasses import dataclass
from threading import Lock
from typing import Any

import pandas as pd
from fastapi import HTTPException, Request

from flows.catalogue.corrections import CORRECTIONS, LOCKS, read_corrections, read_locks
from flows.catalogue.looks import colours, looks_of
from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.corrections import standing
from ml.catalogue.group_list import COLUMNS, GroupList
from ml.catalogue.locks import standing_locks
from ml.catalogue.picture_store import PictureStore, Places
from ml.catalogue.store import Store
from ml.catalogue.versions import FOLDER, NAME, catalogues, facts_of, load_table, newest_number


@dataclass
class NewestGroups:
    """The newest version of a catalogue.

    Attributes:
        facts: see `ml.catalogue.versions.Version`.
        list: its groups.
        pictures: the digests of its products' pictures, each once.
        looks: what holds the thumbnails.
        thumbnails: where they are.
    """

    facts: dict[str, Any]
    list: GroupList
    pictures: pd.Index
    looks: PictureStore
    thumbnails: Places

    @property
    def catalogue(self) -> str:
        """The name of the catalogue."""
        return str(self.facts["catalogue"])

    @property
    def number(self) -> int:
        """The number of the version."""
        return int(self.facts["number"])


@dataclass(frozen=True)
class Said:
    """What stands of a catalogue's corrections and locks.

    Attributes:
        corrections: see `ml.catalogue.corrections.standing`.
        locks: see `ml.catalogue.locks.standing_locks`.
    """

    corrections: pd.DataFrame
    locks: pd.DataFrame


class Catalogues:
    """The newest versions of a project's catalogues; of each, one version is in memory."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.store: Store = store_of(project)
        self._kept: dict[str, NewestGroups] = {}
        self._said: dict[str, tuple[tuple[bytes, ...], Said]] = {}
        self._reading = Lock()

    def names(self) -> list[str]:
        """Returns the names of the catalogues that are grouped."""
        return catalogues(self.store)

    def newest(self, catalogue: str) -> NewestGroups:
        """Returns the newest version of a catalogue; a version is read at the first question.

        Raises:
            HTTPException: 404: there is no such catalogue.
        """
        number = newest_number(self.store, catalogue) if NAME.fullmatch(catalogue) else None
        if number is None:
            raise HTTPException(404, "no catalogue of this name is grouped")
        kept = self._kept.get(catalogue)
        if kept is not None and kept.number == number:
            return kept
        with self._reading:
            kept = self._kept.get(catalogue)
            if kept is None or kept.number < number:
                self._kept.pop(catalogue, None)  # before the newer one takes as much memory
                kept = self._kept[catalogue] = _read(self.store, catalogue, number)
            return kept

    def said(self, catalogue: str) -> Said:
        """Returns what people have said of a catalogue until now.

        Raises:
            UserError: somebody edited the files into something that cannot be read.
        """
        names = [f"{FOLDER}/{catalogue}/{file}" for file in (CORRECTIONS, LOCKS)]
        content = tuple(self.store.read(one) if self.store.exists(one) else b"" for one in names)
        before = self._said.get(catalogue)
        if before is None or before[0] != content:
            said = Said(
                standing(read_corrections(self.store, catalogue)),
                standing_locks(read_locks(self.store, catalogue)),
            )
            before = self._said[catalogue] = (content, said)
        return before[1]

    def thumbnail(self, catalogue: str, sha256: str) -> bytes | None:
        """Returns the JPEG of a picture; None: it cannot be read, or nobody has made it yet.

        Raises:
            HTTPException: 404: it is no picture of this catalogue.
        """
        groups = self.newest(catalogue)
        place = place_of(groups, sha256)
        try:
            found = groups.looks.value(groups.thumbnails, place, "thumbnail")
        except FileNotFoundError:  # the parts were merged by another process
            groups.thumbnails = groups.looks.locate(groups.pictures.tolist())
            found = groups.looks.value(groups.thumbnails, place, "thumbnail")
        return found if isinstance(found, bytes) and found else None


def place_of(groups: NewestGroups, sha256: str) -> int:
    """Returns the position of a picture in `pictures`; HTTPException 404: it is of none of them."""
    place = int(groups.pictures.get_indexer(pd.Index([sha256], dtype=object))[0])
    if place < 0:
        raise HTTPException(404, "this catalogue has no such picture")
    return place


def catalogues_of(request: Request) -> Catalogues:
    """Returns the catalogues of the desk; a dependency of routes."""
    found: Catalogues = request.app.state.catalogues
    return found


def _read(store: Store, catalogue: str, number: int) -> NewestGroups:
    products = load_table(store, catalogue, number, "products", COLUMNS)
    looks = looks_of(store)
    pictures = pd.Index(products["sha256"].dropna().unique(), dtype=object)
    return NewestGroups(
        facts_of(store, catalogue, number),
        GroupList(products, colours(looks, products["sha256"])),
        pictures,
        looks,
        looks.locate(pictures.tolist()),
    )
