"""Lists the pictures of a shop with their size and time, without reading any of them."""

import os
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from fsspec.implementations.local import LocalFileSystem

from ml.snapshot.shop import Shop
from ml.snapshot.shop_paths import inside, refuse_links

SETTLED = 2.0  # seconds: a file may change again without another time until then (as on FAT)
# What file systems call a hash of the content, or the time of the last change; the first counts.
MARKS = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "last_modified", "modified")


class Stamp(NamedTuple):
    """What a file has to keep so that it counts as unchanged.

    Attributes:
        size: bytes.
        mark: the time of its last change in nanoseconds, or the mark that a server gives it.
    """

    size: int
    mark: str


def list_pictures(shop: Shop, images: Iterable[str]) -> dict[str, Stamp]:
    """Lists those pictures of a shop that may be known again without reading them.

    Links, and files that changed within the last two seconds, are left out: they are read.

    Args:
        images: paths below the shop's folder.

    Raises:
        UserError: a picture's folder leaves the shop, or is a symbolic link.
    """
    folders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for image in images:
        folder, _, name = inside(image, shop.source).rpartition("/")
        folders[folder].append((name, image))
    found: dict[str, Stamp] = {}
    for folder, names in folders.items():
        local = isinstance(shop.fs, LocalFileSystem)
        stamps = (
            _local_stamps(shop, folder) if local else _remote_stamps(shop.fs, shop.root, folder)
        )
        found |= {image: stamps[name] for name, image in names if name in stamps}
    return found


def stamp_of(file: Path) -> Stamp:
    """Returns the stamp of a file on this machine."""
    facts = file.stat()
    return Stamp(facts.st_size, str(facts.st_mtime_ns))


def _local_stamps(shop: Shop, folder: str) -> dict[str, Stamp]:
    place = Path(shop.root, folder)
    refuse_links(Path(shop.root), place, shop.source)
    newest = time.time_ns() - int(SETTLED * 1e9)
    found: dict[str, Stamp] = {}
    try:
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    facts = entry.stat(follow_symlinks=False)
                    if facts.st_mtime_ns < newest:
                        found[entry.name] = Stamp(facts.st_size, str(facts.st_mtime_ns))
    except OSError:
        return {}  # no folder: reading says what is missing
    return found


def _remote_stamps(fs: Any, root: str, folder: str) -> dict[str, Stamp]:
    newest = time.time() - SETTLED
    try:
        entries = fs.ls(f"{root}/{folder}".rstrip("/"), detail=True)
    except (OSError, NotImplementedError, ValueError):
        return {}
    found = {}
    for entry in entries:
        mark: Any = next((entry[name] for name in MARKS if entry.get(name)), None)
        if entry.get("type") != "file" or entry.get("size") is None or mark is None:
            continue
        changed = mark.timestamp() if isinstance(mark, datetime) else mark
        if isinstance(changed, float | int) and changed > newest:
            continue
        found[PurePosixPath(entry["name"]).name] = Stamp(int(entry["size"]), str(mark))
    return found
