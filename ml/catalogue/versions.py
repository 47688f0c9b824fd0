"""The versions of a catalogue's grouping: each is kept whole, and none is ever changed."""

import json
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import pandas as pd
import pyarrow as pa

from ml.catalogue.store import Store
from ml.core.errors import UserError, visible

FOLDER = "catalogues"
FACTS = "version.json"  # written last: a version without it is not there
TOLD = "told"  # written when results and MLflow have what a version changed
TABLES = ("products", "means", "changes", "retired")
NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
DIGITS = 6  # of a version's number in the store


@dataclass(frozen=True)
class Version:
    """A grouping of a catalogue.

    Attributes:
        facts: "number" (from 1), "id" (of this version, unique in the catalogue's life),
            "catalogue", "predecessor" (number or None), "model", "model_files" (digest), "source",
            "columns" (the shop's, to read it again), "delta" (source and columns of the shop of
            new products only that this version took in, or None),
            "clustering", "threshold", "margin", "corrections" (digest or None), "words" (numbers of
            rows of corrections and of locks that this digest is of),
            "overruled" (how many of them and of the locked groups the model alone would have
            decided otherwise), "of_said" (of how many),
            "created" (UTC, ISO 8601), "by", "counts"; of one that was read, "tables" (folder of its
            tables in the store).
        products: the columns of the imported catalogue; group, opened (number of the version that
            opened the group), score, band and problem (see `ml.catalogue.memory`), and
            representative (see `ml.catalogue.representative`).
        means: brand, gender, article_type, products, and total, the sum of their embeddings.
        changes: since the predecessor; see `ml.catalogue.changes`.
        retired: group, successor and version, of all ids that are retired until now.
    """

    facts: dict[str, Any]
    products: pd.DataFrame
    means: pd.DataFrame
    changes: pd.DataFrame
    retired: pd.DataFrame

    @property
    def number(self) -> int:
        """Its number, from 1."""
        return int(self.facts["number"])


def catalogue_name(name: str, source: str) -> str:
    """Returns the name of a catalogue: as given, or made of the last part of the source.

    Raises:
        UserError: a given name has other characters than lower-case letters, digits, ".", "_" and
            "-", or is too long.
    """
    if not name:
        last = re.split(r"[/\\]", source.rstrip("/\\"))[-1].lower()
        name = re.sub(r"[^a-z0-9._-]+", "-", last).strip("-._")[:63] or "shop"
    if not NAME.fullmatch(name):
        raise UserError(
            f"{visible(name)!r:.100} is no name of a catalogue: take up to 63 lower-case letters, "
            "digits, '.', '_' and '-', and begin with a letter or digit"
        )
    return name


def catalogues(store: Store) -> list[str]:
    """Returns the sorted names of the catalogues that have a version."""
    return [name for name in store.list(FOLDER) if newest_number(store, name)]


def numbers(store: Store, catalogue: str) -> list[int]:
    """Returns the numbers of a catalogue's versions, in order; of none if there is no such one."""
    return sorted(_downwards(store, catalogue))


def newest_number(store: Store, catalogue: str) -> int | None:
    """Returns the number of a catalogue's newest version, or None if it has none."""
    return next(_downwards(store, catalogue), None)


def newest_facts(store: Store) -> list[dict[str, Any]]:
    """Reads the facts of the newest version of every catalogue, in the order of names."""
    found = ((name, newest_number(store, name)) for name in store.list(FOLDER))
    return [facts_of(store, name, number) for name, number in found if number]


def facts_of(store: Store, catalogue: str, number: int) -> dict[str, Any]:
    """Reads the facts of a version.

    Raises:
        UserError: there is no such version.
    """
    try:
        return dict(json.loads(store.read(_file(catalogue, number, FACTS))))
    except FileNotFoundError as error:
        known = numbers(store, catalogue)
        there = f"there are {known[0]} to {known[-1]}" if known else "it has none"
        raise UserError(
            f"the catalogue {catalogue!r} has no version {number}: {there}; `variants groups list` "
            "shows all"
        ) from error


def load(store: Store, catalogue: str, number: int) -> Version:
    """Reads a version; it raises as `facts_of`."""
    facts = facts_of(store, catalogue, number)
    return Version(facts, **{name: _table(store, facts, name, None) for name in TABLES})


def load_table(
    store: Store, catalogue: str, number: int, table: str, columns: Collection[str] | None = None
) -> pd.DataFrame:
    """Reads one table of a version, which must be there.

    Args:
        table: of `TABLES`.
        columns: those of them that it has are read; None: all.

    Raises:
        UserError: there is no such version.
    """
    return _table(store, facts_of(store, catalogue, number), table, columns)


def newest(store: Store, catalogue: str) -> Version | None:
    """Reads the newest version of a catalogue, or None if it has none."""
    number = newest_number(store, catalogue)
    return load(store, catalogue, number) if number else None


def save(store: Store, version: Version) -> None:
    """Keeps a version. Others see it when all of its files are there.

    Its tables are in a folder of a name that nobody else has, so that two who save the same number
    at once never mix theirs; one of them is refused.

    Raises:
        UserError: there is a version of this number already.
    """
    catalogue, number = version.facts["catalogue"], version.number
    taken = UserError(
        f"somebody else has grouped the catalogue {catalogue!r} meanwhile: do it again"
    )
    if store.exists(_file(catalogue, number, FACTS)):
        raise taken
    folder = f"tables-{token_hex(8)}"
    facts = version.facts | {"tables": folder}
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    for name in TABLES:
        table = pa.Table.from_pandas(getattr(version, name), preserve_index=False)
        file = _file(catalogue, number, f"{folder}/{name}.parquet")
        store.write_table(file, table.replace_schema_metadata(None))
    if store.exists(_file(catalogue, number, FACTS)):
        raise taken
    store.write(_file(catalogue, number, FACTS), text.encode())
    if facts_of(store, catalogue, number)["tables"] != folder:
        raise taken


def note_told(store: Store, version: Version) -> None:
    """Notes that people were told what a version changed."""
    store.write(_file(version.facts["catalogue"], version.number, TOLD), b"")


def is_told(store: Store, version: Version) -> bool:
    """Returns whether people were told what a version changed, as `note_told` noted it."""
    return store.exists(_file(version.facts["catalogue"], version.number, TOLD))


def _table(
    store: Store, facts: dict[str, Any], table: str, columns: Collection[str] | None
) -> pd.DataFrame:
    name = f"{facts.get('tables', '')}/{table}.parquet".lstrip("/")
    return store.read_table(_file(facts["catalogue"], facts["number"], name), columns).to_pandas()


def _downwards(store: Store, catalogue: str) -> Iterator[int]:
    """Yields the numbers of versions that are there, the newest first; each costs a request."""
    named = [int(one) for one in store.list(f"{FOLDER}/{catalogue}") if one.isdigit()]
    for number in sorted(named, reverse=True):
        if store.exists(_file(catalogue, number, FACTS)):
            yield number


def _file(catalogue: str, number: int | str, name: str) -> str:
    return f"{FOLDER}/{catalogue}/{str(number).zfill(DIGITS)}/{name}"
