"""How often people overrule the models that grouped the catalogues."""

from typing import Any

from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.versions import newest_facts


def corrected(project: Project) -> list[dict[str, Any]]:
    """Returns how often people overrule the model that made each catalogue's newest version.

    Returns:
        [{"catalogue", "version": its newest, "model": URI, "overruled": how many corrections and
        locked groups the model alone would have decided otherwise, "of_said": of how many}], of
        the catalogues that have some.
    """
    named = ("catalogue", "model", "overruled", "of_said")
    return [
        {"version": one["number"]} | {name: one[name] for name in named}
        for one in newest_facts(store_of(project))
        if one.get("of_said")
    ]
