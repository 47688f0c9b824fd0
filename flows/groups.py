"""`variants groups`: the versions of the groups of catalogues."""

from typing import Any

from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.changes import changes
from ml.catalogue.store import Store
from ml.catalogue.versions import (
    NAME,
    Version,
    catalogues,
    facts_of,
    load,
    newest_number,
    numbers,
)
from ml.core.errors import UserError, visible


def listed(project: Project) -> list[dict[str, Any]]:
    """Returns the facts of every version of every catalogue; see `ml.catalogue.versions`."""
    store = store_of(project)
    return [
        facts_of(store, name, number)
        for name in catalogues(store)
        for number in numbers(store, name)
    ]


def shown(project: Project, catalogue: str, number: int) -> dict[str, Any]:
    """Returns the facts of a version and its changes, as "listed" (see `ml.catalogue.changes`).

    Args:
        number: of the version; 0: the newest.

    Raises:
        UserError: there is no such catalogue or version.
    """
    version = find(store_of(project), catalogue, number)
    return version.facts | {"listed": version.changes.to_dict("records")}


def difference(project: Project, catalogue: str, before: int, after: int) -> dict[str, Any]:
    """Compares two versions; it raises as `shown`.

    Args:
        before, after: their numbers; 0: the newest.

    Returns:
        {"catalogue", "before", "after": numbers, "listed": the changes, without reasons if there
        are versions between these two}.
    """
    store = store_of(project)
    old, new = (find(store, catalogue, number) for number in (before, after))
    listed = new.changes
    if new.facts["predecessor"] != old.number:
        ids = ["product_id", "group"]
        listed = changes(old.products[ids], new.products[ids].assign(reason=""))
    return {
        "catalogue": catalogue,
        "before": old.number,
        "after": new.number,
        "listed": listed.to_dict("records"),
    }


def find(store: Store, catalogue: str, number: int = 0) -> Version:
    """Reads a version of a catalogue.

    Args:
        number: of the version; 0: the newest.

    Raises:
        UserError: there is no such catalogue or version.
    """
    newest = find_number(store, catalogue)
    return load(store, catalogue, number or newest)


def find_number(store: Store, catalogue: str) -> int:
    """Returns the number of a catalogue's newest version.

    Raises:
        UserError: there is no such catalogue.
    """
    found = newest_number(store, catalogue) if NAME.fullmatch(catalogue) else None
    if found is None:
        there = ", ".join(catalogues(store)) or "none yet"
        raise UserError(
            f"no catalogue {visible(catalogue)!r:.100} is grouped; there are: {there}. `variants "
            "group --source FOLDER --catalogue NAME` makes a first version"
        )
    return found
