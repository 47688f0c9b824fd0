"""The index of earlier imports: which bytes a picture had when it was read last.

Each source has an index of its own. It is only a memory: without it, everything is read again.
"""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from ml.core.files import read_table, write_table
from ml.snapshot.listing import Stamp


@dataclass(frozen=True)
class Digests:
    """The hashes of a picture's bytes, in hexadecimal digits.

    Attributes:
        sha256: the picture's name in snapshots.
        md5: its name in DVC's cache.
    """

    sha256: str
    md5: str


def digests_of(content: bytes) -> Digests:
    """Hashes the bytes of a picture."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    return Digests(hashlib.sha256(content).hexdigest(), md5)


@dataclass
class PictureIndex:
    """What the last import of a source read, and which files it wrote.

    Attributes:
        read: picture as the shop names it → its stamp when it was read, and its digests.
        written: SHA-256 → (inode, time of change in ns, size) of the file in the snapshot.
    """

    read: dict[str, tuple[Stamp, Digests]] = field(default_factory=dict)
    written: dict[str, tuple[int, int, int]] = field(default_factory=dict)

    def known(self, stamps: dict[str, Stamp]) -> dict[str, Digests]:
        """Returns the digests of the pictures that still have their stamp."""
        found = {}
        for image, stamp in stamps.items():
            earlier = self.read.get(image)
            if earlier and earlier[0] == stamp:
                found[image] = earlier[1]
        return found


def load_index(path: Path) -> PictureIndex:
    """Reads an index; if there is none, or it cannot be read, it is empty."""
    try:
        table = read_table(path)
        columns = [table[name].tolist() for name in COLUMNS]
    except (OSError, ValueError, KeyError):  # such as a file of a damaged disk
        return PictureIndex()
    index = PictureIndex()
    for image, size, mark, sha256, md5, inode, changed, bytes_ in zip(*columns, strict=True):
        index.read[image] = Stamp(size, mark), Digests(sha256, md5)
        index.written[sha256] = inode, changed, bytes_
    return index


def save_index(path: Path, index: PictureIndex) -> None:
    """Writes an index, whole or not at all."""
    rows = [
        (image, *stamp, digests.sha256, digests.md5, *index.written.get(digests.sha256, NO_FILE))
        for image, (stamp, digests) in index.read.items()
    ]
    write_table(path, pd.DataFrame(rows, columns=list(COLUMNS)))


NO_FILE = (0, 0, 0)  # the facts of no file
COLUMNS = ("image", "size", "mark", "sha256", "md5", "inode", "changed", "bytes")
