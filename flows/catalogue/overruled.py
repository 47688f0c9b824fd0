"""How often people overrule the models that grouped the catalogues."""

from typing import Any

from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.versions import catalogues, facts_of, numbers


def corrected(project: Project) -> list[dict[str, Any]]:
    """Returns how often people overrule the model that made each catalogue's newest version.

    Returns:
        [{"catalogue", "version": its newest, "model": URI, "overruled": how many corrections and
        locked groups the model alone would have decided otherwise, "of_said": of how many}], of
        the catalogues that have some.
    """
    store = store_of(project)
    facts = [facts_of(store, name, numbers(store, name)[-1]) for name in catalogues(store)]
    named = ("catalogue", "model", "overruled", "of_said")
    return [
        {"version": one["number"]} | {name: one[name] for name in named}
        for one in facts
        if one.get("of_said")
    ]
