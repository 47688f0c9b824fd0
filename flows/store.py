"""`variants groups store`: what the store holds, and how it is trimmed."""

from typing import Any

from flows.catalogue.embeddings import FOLDER, folder_of
from flows.catalogue.looks import FOLDER as LOOKS
from flows.catalogue.looks import looks_of
from flows.catalogue.places import nobody_groups, store_of
from flows.catalogue.shop import trim_shops
from flows.local.project import Project
from flows.registry.tracking import connect
from flows.registry.verified_files import digest_on_record
from flows.registry.versions import CHALLENGER, CHAMPION, policy_of, uri_of, version_by_alias
from ml.catalogue.picture_store import PictureStore
from ml.catalogue.store import Store
from ml.catalogue.versions import catalogues, load, newest_facts, numbers


def stored(project: Project) -> dict[str, Any]:
    """Returns what the store holds.

    Returns:
        {"store": its folder or URL, "models": for each model whose embeddings it holds {"folder",
        "pictures": their number, "bytes", "needed_by": words, empty if nothing needs them},
        "looks": {"pictures", "bytes"} of thumbnails and colours,
        "catalogues": for each {"catalogue", "versions": their number, "bytes"}}.
    """
    store = store_of(project)
    needed = _needed(project, store)
    models = [
        {
            "folder": name,
            "pictures": len(PictureStore(store.below(f"{FOLDER}/{name}")).keys()),
            "bytes": store.size(f"{FOLDER}/{name}"),
            "needed_by": ", ".join(needed.get(name, [])),
        }
        for name in store.list(FOLDER)
    ]
    known = [
        {
            "catalogue": name,
            "versions": len(numbers(store, name)),
            "bytes": store.size(f"catalogues/{name}"),
        }
        for name in catalogues(store)
    ]
    looks = {"pictures": len(looks_of(store).keys()), "bytes": store.size(LOOKS)}
    return {"store": store.url, "models": models, "looks": looks, "catalogues": known}


def trim(project: Project) -> tuple[list[str], int, int]:
    """Removes what nothing needs.

    Needed are the embeddings of the champion, of the challenger, and of the model of each
    catalogue's newest version, the thumbnails and colours of its pictures, and the copies of shops
    on this machine that have one of them. Others are made again when they are asked for. Versions
    of groups all stay.

    Returns:
        The folders of embeddings that went, how many pictures' thumbnails, and how many copies.

    Raises:
        UserError: somebody is grouping, and may need what nothing else does.
    """
    store = store_of(project)
    with nobody_groups(project, store):
        return _trim(project, store)


def _trim(project: Project, store: Store) -> tuple[list[str], int, int]:
    needed = _needed(project, store)
    gone = [name for name in store.list(FOLDER) if name not in needed]
    for name in gone:
        store.remove(f"{FOLDER}/{name}")
    shown = [
        digest
        for one in newest_facts(store)
        for digest in load(store, one["catalogue"], one["number"]).products["sha256"].dropna()
    ]
    return gone, looks_of(store).trim(shown), trim_shops(project, set(shown))


def _needed(project: Project, store: Store) -> dict[str, list[str]]:
    """Returns the folders of embeddings that something needs, and what that is."""
    found: dict[str, list[str]] = {}
    client, names = connect(project), policy_of(project).models
    for model, alias in ((names.production, CHAMPION), (names.candidates, CHALLENGER)):
        version = version_by_alias(client, model, alias)
        digest = digest_on_record(client, version) if version else None
        if version and digest:
            found.setdefault(folder_of(digest), []).append(uri_of(version))
    for facts in newest_facts(store):
        words = f"the catalogue {facts['catalogue']}"
        found.setdefault(folder_of(facts["model_files"]), []).append(words)
    return found
