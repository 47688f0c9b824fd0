"""The picture files of a snapshot: kept from the snapshot before, taken from a cache, or written.

No file is shared with anything that this process, or another one of its user, could write through:
a hard link into a cache is made only where the file is read-only to this user. The administrator
may write everything, so he gets copies, unless the disk has reflinks.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ml.core.files import remove
from ml.snapshot.picture_index import Digests, PictureIndex, digests_of

Facts = tuple[int, int, int]  # inode, time of change in ns, size


class PictureFiles:
    """The folder `images` of a snapshot that is being written.

    Attributes:
        folder: where new files go.
        before: the folder `images` of the snapshot that is replaced; it may not exist.
        kept: names (SHA-256) of files in `before` that the new snapshot keeps, with their facts.
    """

    def __init__(self, folder: Path, before: Path, index: PictureIndex, cache: Path | None) -> None:
        self.folder, self.before, self.cache = folder, before, cache
        self.kept: dict[str, Facts] = {}
        folder.mkdir(parents=True)
        self._before = dict(file_facts(before))
        self._unchanged = {
            name: facts
            for name, facts in self._before.items()
            if facts and index.written.get(name) == facts
        }

    def take(self, digests: Digests) -> bool:
        """Takes a picture that was read before; returns whether there is one to take.

        It is a file of the snapshot before that nobody has changed, or one of the cache.
        """
        name = digests.sha256
        if name in self._unchanged:
            self.kept[name] = self._unchanged[name]
            return True
        if self.cache is None or (self.folder / name).exists():
            return (self.folder / name).exists()
        return share(self.cache / digests.md5[:2] / digests.md5[2:], self.folder / name, digests)

    def write(self, content: bytes) -> Digests:
        """Writes a picture under its SHA-256, unless it is there; returns its digests."""
        digests = digests_of(content)
        if digests.sha256 in self._unchanged:
            self.kept[digests.sha256] = self._unchanged[digests.sha256]
        elif not (self.folder / digests.sha256).exists():
            beside = self.folder / f".{digests.sha256}.{id(content)}"
            beside.write_bytes(content)
            beside.replace(self.folder / digests.sha256)
        return digests

    def facts(self) -> dict[str, Facts]:
        """Returns the facts of all files, those that are kept included."""
        return {name: facts for name, facts in file_facts(self.folder) if facts} | self.kept

    def finish(self) -> None:
        """Moves the kept files of the snapshot before into the folder, which is whole then.

        Few files change between two snapshots, so the folder before is taken over as it is.
        """
        if not self.kept:
            return
        for name in self._before.keys() - self.kept.keys():
            remove(self.before / name)
        for file in self.folder.iterdir():
            file.replace(self.before / file.name)
        self.folder.rmdir()
        self.before.replace(self.folder)


def file_facts(folder: Path) -> Iterable[tuple[str, Facts | None]]:
    """Returns the names in a folder with their facts, None for all that is no plain file.

    Nothing is returned if there is no folder.
    """
    found: list[tuple[str, Facts | None]] = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                facts = entry.stat(follow_symlinks=False)
                # Some file systems set the highest bit of inodes, which tables cannot hold.
                inode = facts.st_ino % 2**63
                found.append((entry.name, (inode, facts.st_mtime_ns, facts.st_size)))
            else:
                found.append((entry.name, None))
    return found


def share(cached: Path, place: Path, digests: Digests) -> bool:
    """Puts a cached file at a new place: as a hard link, a reflink or a copy, in this order.

    A hard link needs a file that this user cannot write. All else is compared with the digests.

    Returns:
        Whether the file is there. It is not if the cache does not hold it, or holds other bytes.
    """
    if not cached.is_file():
        return False
    if not os.access(cached, os.W_OK):
        with suppress(OSError):  # another disk, or one without hard links
            place.hardlink_to(cached)
            return True
    content = cached.read_bytes()
    if digests_of(content) != digests:
        return False
    with cached.open("rb") as reader, place.open("wb") as writer:
        try:  # the system shares the blocks where the disk can
            copied = os.copy_file_range(reader.fileno(), writer.fileno(), len(content))
        except (OSError, AttributeError):  # not on Linux, or between two disks
            copied = 0
        if copied < len(content):
            writer.write(content[copied:])
    return True
