"""Lets DVC track a snapshot whose files' hashes are known, without reading the files again.

The result is that of `dvc add data/snapshot`: the same pointer, the same cache, and a later `dvc
status` finds nothing to hash. Plain `dvc add` walks, looks up and links every file each time.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from operator import itemgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc_data.hashfile.hash import hash_file
from dvc_data.hashfile.hash_info import HashInfo

from flows.local.pointer import POINTER
from ml.core.errors import UserError
from ml.core.files import replacing
from ml.core.paths import SNAPSHOT

MANY = 4096  # files, from which on listing the cache is faster than asking for each


def track(
    root: Path, md5s: Mapping[str, str], kept: Mapping[str, int], meta: Mapping[str, Any]
) -> str:
    """Puts data/snapshot of a checkout under DVC.

    Args:
        root: top folder of the checkout.
        md5s: path below the snapshot → MD5, for the pictures.
        kept: path → size in bytes, of pictures that an earlier call has tracked, so that DVC's
            state knows them.
        meta: facts about the snapshot for people, stored in the pointer.

    Returns:
        The snapshot's id.

    Raises:
        UserError: DVC cannot do so, such as while another of its commands runs in the checkout.
    """
    try:
        with Repo(str(root)) as repo, repo.lock:
            return _track(repo, root, md5s, kept, meta)
    except DvcException as error:
        raise UserError(f"DVC cannot track {SNAPSHOT}: {error}") from error


def _track(
    repo: Any, root: Path, md5s: Mapping[str, str], kept: Mapping[str, int], meta: Mapping[str, Any]
) -> str:
    cache, folder = repo.cache.local, root / SNAPSHOT
    entries: list[dict[str, str]] = []
    places: dict[str, str] = {}
    size, states = 0, []
    tables = [file.name for file in folder.iterdir() if file.is_file()]
    for name in (*md5s, *tables):
        place, bytes_ = f"{folder}/{name}", kept.get(name)
        if bytes_ is None:
            md5 = md5s.get(name) or str(hash_file(place, cache.fs, "md5")[1].value)
            info = cache.fs.info(place)
            states.append((place, HashInfo("md5", md5), info))
            bytes_ = info["size"]
        else:
            md5 = md5s[name]
        entries.append({"md5": md5, "relpath": name})
        size += bytes_
        places[md5] = place
    # As dvc_data's Tree writes it, which needs an object for each file.
    listing = json.dumps(sorted(entries, key=itemgetter("relpath")), sort_keys=True).encode()
    identity = f"{hashlib.md5(listing, usedforsecurity=False).hexdigest()}.dir"
    there = _present(cache, list(places))
    missing = {md5: place for md5, place in places.items() if md5 not in there}
    if missing:
        cache.add(list(missing.values()), cache.fs, list(missing), hardlink=False)
    with TemporaryDirectory() as temporary:
        Path(temporary, "listing").write_bytes(listing)
        cache.add(str(Path(temporary, "listing")), cache.fs, identity, hardlink=False)
    repo.state.save_many(states, cache.fs)
    out = {"md5": identity, "size": size, "nfiles": len(entries), "hash": "md5"}
    content = {"outs": [out | {"path": SNAPSHOT.name}], "meta": dict(meta)}
    with replacing(root / POINTER) as beside:
        beside.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return identity


def _present(cache: Any, md5s: list[str]) -> set[str]:
    """Those hashes of which the cache holds the file."""
    if len(md5s) < MANY:
        return {md5 for md5 in md5s if cache.exists(md5)}
    found = set()
    for first in Path(cache.path).glob("[0-9a-f][0-9a-f]"):
        found |= {first.name + rest.name for rest in os.scandir(first)}
    return found
