"""`variants history`: the audit trail, whether it is whole, and how it is mended."""

from typing import Any

from flows.local.project import Project
from flows.registry.audit_trail import events
from flows.registry.outside_move import notice
from flows.registry.people import person
from flows.registry.tracking import connect, permitted
from flows.registry.trail_check import accept, check_trail, restore, trail_problems
from flows.registry.versions import policy_of
from ml.core.errors import UserError

SHOWN = 10  # versions of a model that a refusal names


def history(project: Project, version: str = "") -> list[dict[str, Any]]:
    """Returns the events that `variants history` shows, oldest first.

    Args:
        version: URI of a candidate or production version, such as models:/color-variants/3; only
            its events are returned. Empty: all events.

    Raises:
        UserError: there are events, but none about this version.
    """
    client, names = connect(project), policy_of(project).models
    notice(project, client, names)
    trail = events(client, names)
    found = [one for one in trail if not version or version in _about(one)]
    if trail and not found:
        raise UserError(
            f"no event is about '{version}': events are about {_versions(trail)}; write "
            "models:/NAME/VERSION"
        )
    return found


def _about(event: dict[str, str]) -> list[str]:
    return [event[name] for name in ("version", "candidate") if name in event]


def _versions(trail: list[dict[str, str]]) -> str:
    """Names the registered models that events are about, and the newest versions of each."""
    numbers: dict[str, set[int]] = {}
    for uri in {one for event in trail for one in _about(event)}:
        name, _, number = uri.removeprefix("models:/").partition("/")
        numbers.setdefault(name, set()).update([int(number)] if number.isdecimal() else [])
    return " and ".join(
        f"'{name}'" + (f" (versions {', '.join(map(str, sorted(of)[-SHOWN:]))})" if of else "")
        for name, of in sorted(numbers.items())
    )


def verified(project: Project) -> tuple[bool, str]:
    """Returns whether the audit trail is whole, and the answer in words, a line for each fault."""
    client, names = connect(project), policy_of(project).models
    faults = trail_problems(check_trail(project, client, names))
    if faults:
        return False, "\n".join(map(str, faults))
    return True, f"the audit trail is whole: {len(events(client, names))} events"


def mend(project: Project, put_back: bool, fault: str, reason: str, by: str) -> str:
    """Mends the audit trail; returns in words what was done.

    Args:
        put_back: whether the events that this clone remembers are put back.
        fault: hash of a fault that is accepted, or how it begins; empty: none.
        reason, by: the person's reason and name.

    Raises:
        UserError: as `accept`; or MLflow does not let this account write.
    """
    client, names = connect(project), policy_of(project).models
    done = []
    with permitted(project):
        if put_back:
            done.append(f"{restore(project, client, names)} events were put back")
        if fault:
            who = person(project, by)
            words = accept(project, client, names, fault, reason, who)
            done.append(f"{who} knows of it: {words}")
    return "; ".join(done)
