"""What is computed once for each picture, such as its embedding by one model, is kept and found."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ml.catalogue.store import Store

KEY = "key"  # column of the key
SMALL = 4096  # rows: smaller parts are merged when there are many
MANY = 32  # small parts that may be there
GROUP = 128  # rows that are read at once when one is asked for: 1.3 ms in a part of 40,000


class Places(NamedTuple):
    """Where the values of some keys are.

    Attributes:
        parts: names of the parts.
        part: int32 (keys,), which part; −1: the key is in none.
        row: int32 (keys,), the row in it.
    """

    parts: list[str]
    part: np.ndarray
    row: np.ndarray


class PictureStore:
    """A table of key → values, as Parquet parts that never change.

    A part is named after its keys, so that two processes that add the same do no harm. Where a key
    is in two parts, the first part in the order of names counts.

    Args:
        store: its folder holds the parts and nothing else.
    """

    def __init__(self, store: Store) -> None:
        self.store = store

    def keys(self) -> list[str]:
        """Returns all keys, without order."""
        return list(dict.fromkeys(key for _, part in self._parts([KEY]) for key in _texts(part)))

    def missing(self, keys: Sequence[str]) -> list[str]:
        """Returns those of the keys that are not in the store, each once, in order."""
        known = set(self.keys())
        return [key for key in dict.fromkeys(keys) if key not in known]

    def add(self, table: pa.Table) -> None:
        """Adds rows as one part.

        Args:
            table: the column `key` (text, each once), and any others, the same in every part.
        """
        if not table.num_rows:
            return
        digest = hashlib.sha256("\n".join(_texts(table)).encode()).hexdigest()
        self.store.write_table(f"{digest[:32]}.parquet", table, row_group_size=GROUP)

    def read(
        self, keys: Sequence[str], columns: Sequence[str]
    ) -> Iterator[tuple[np.ndarray, pa.Table]]:
        """Reads values part by part, so that memory grows with the largest part only.

        Args:
            keys: a key may come several times.
            columns: names of the values.

        Yields:
            int (rows,), positions in `keys`; and the table of as many rows with these columns.
            A key that is not in the store is in none of them.
        """
        if not len(keys):
            return
        codes, wanted = pd.factorize(np.asarray(keys, dtype=object))
        index, order = pd.Index(wanted), np.argsort(codes, kind="stable")
        ends = np.searchsorted(codes[order], np.arange(len(wanted) + 1))
        seen = np.zeros(len(wanted), dtype=bool)
        for _, part in self._parts([KEY, *columns]):
            code = index.get_indexer(pd.Index(_texts(part), dtype=object))
            rows = np.flatnonzero((code >= 0) & ~seen[code])
            seen[code[rows]] = True
            count = ends[code[rows] + 1] - ends[code[rows]]
            first = np.repeat(ends[code[rows]], count)
            within = np.arange(len(first)) - np.repeat(np.cumsum(count) - count, count)
            if len(rows):
                yield order[first + within], part.drop_columns([KEY]).take(np.repeat(rows, count))

    def locate(self, keys: Sequence[str]) -> Places:
        """Finds where values are, so that `value` reads one of them without a search.

        Args:
            keys: each once.
        """
        index, parts = pd.Index(np.asarray(keys, dtype=object)), list[str]()
        part, row = np.full(len(keys), -1, np.int32), np.zeros(len(keys), np.int32)
        for name, found in self._parts([KEY]):
            place = index.get_indexer(pd.Index(_texts(found), dtype=object))
            rows = np.flatnonzero(place >= 0)
            new = part[place[rows]] < 0
            part[place[rows[new]]], row[place[rows[new]]] = len(parts), rows[new]
            parts.append(name)
        return Places(parts, part, row)

    def value(self, places: Places, key: int, column: str) -> object:
        """Reads one value and at most `GROUP` rows around it; None if the key is in no part.

        Args:
            key: its position among the keys that were located.

        Raises:
            FileNotFoundError: the part was merged with others since: locate the keys again.
        """
        if places.part[key] < 0:
            return None
        name, row = places.parts[places.part[key]], int(places.row[key])
        with self.store.fs.open(self.store.path(name), "rb") as opened:
            file = pq.ParquetFile(opened)
            for number in range(file.metadata.num_row_groups):
                rows = file.metadata.row_group(number).num_rows
                if row < rows:
                    return file.read_row_group(number, [column], use_threads=False)[column][
                        row
                    ].as_py()
                row -= rows
        raise IndexError(f"{name} has no row {places.row[key]}")

    def compact(self) -> None:
        """Merges small parts if there are many of them."""
        with suppress(FileNotFoundError):  # then somebody else is merging them
            small = [name for name in self.store.list() if self._rows(name) < SMALL]
            if len(small) > MANY:
                merged = pa.concat_tables([self._part(name, None) for name in small])
                self._replace(small, merged)

    def trim(self, keep: Sequence[str]) -> int:
        """Removes all keys but these; returns how many went."""
        kept, gone = pa.array(list(keep), pa.string()), 0
        for name, part in self._parts(None):
            stays = part.filter(pa.compute.is_in(part[KEY], value_set=kept))
            if stays.num_rows < part.num_rows:
                gone += part.num_rows - stays.num_rows
                self._replace([name], stays)
        return gone

    def _replace(self, names: list[str], table: pa.Table) -> None:
        """Adds a part and removes those that it stands for; a kill in between loses nothing."""
        before = set(self.store.list())
        self.add(table)
        made = set(self.store.list()) - before
        for name in names:
            if name not in made:
                self.store.remove(name)

    def _parts(self, columns: list[str] | None) -> Iterator[tuple[str, pa.Table]]:
        """Yields all parts; instead of one that is merged meanwhile, the part that stands for it.

        That may have keys of parts that were read before.
        """
        left, tried = self.store.list(), set[str]()
        while left:
            name = left.pop(0)
            tried.add(name)
            try:
                part = self._part(name, columns)
            except FileNotFoundError:
                left = [one for one in self.store.list() if one not in tried]
            else:
                yield name, part

    def _part(self, name: str, columns: list[str] | None) -> pa.Table:
        with self.store.fs.open(self.store.path(name), "rb") as file:
            # By this thread alone: a thread of Arrow's that still reads from a Python file when the
            # process ends brings it down (apache/arrow issues 34314 and 50482).
            return pq.ParquetFile(file).read(columns, use_threads=False)

    def _rows(self, name: str) -> int:
        with self.store.fs.open(self.store.path(name), "rb") as file:
            return int(pq.read_metadata(file).num_rows)


def _texts(table: pa.Table) -> list[str]:
    return list(table[KEY].to_pylist())
