"""Checks the audit trail for events that were changed, removed or added by hand, and mends it."""

import shlex
from dataclasses import dataclass
from datetime import datetime

from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.audit_trail import (
    event_of,
    event_tags,
    note_on_model,
    own_events,
)
from flows.registry.problem import Problem
from flows.registry.still_client import StillClient
from flows.registry.trail_chain import AFTER, gaps, hash_of, named_hashes
from flows.registry.trail_memory import remember
from flows.registry.versions import or_none
from ml.core.errors import UserError
from ml.promote.policy import ModelNames

ACCEPTED = "accepted"  # the fact of an event `gap` that names the hashes that count no longer


@dataclass(frozen=True)
class Fault:
    """An event that is not as it was written.

    Attributes:
        model: the registered model that keeps the event.
        hash: SHA-256 of the event that is missing, or that was added.
        words: what has happened.
        key: name of the event's tag; empty if nobody knows it.
        text: the event as it was written; None if this clone does not know it.
    """

    model: str
    hash: str
    words: str
    key: str = ""
    text: str | None = None


def check_trail(project: Project, client: MlflowClient, names: ModelNames) -> list[Fault]:
    """Returns every fault of the audit trail that nobody has accepted, and remembers the trail."""
    client = client if isinstance(client, StillClient) else StillClient(client)
    known = remember(project, client, names)
    found = _copies(client, names)
    for name in dict.fromkeys((names.production, names.candidates)):
        now, own = event_tags(client, name), own_events(client, name)
        found += _against(name, now, known.get(name, {}), "this clone remembers")
        found += _outside(name, own)
        found += [
            Fault(name, one, f"an event before that of {_told(text)} was changed or removed")
            for one, text in gaps(own.values()).items()
        ]
    accepted = _accepted(client, names)
    # The first fault of a hash tells most: who still holds the event.
    distinct = {(fault.model, fault.hash): fault for fault in reversed(found)}
    return [one for one in reversed(list(distinct.values())) if one.hash not in accepted]


def trail_problems(faults: list[Fault]) -> list[Problem]:
    """Returns the faults as problems for people."""
    return [
        Problem(
            f"the audit trail of '{fault.model}' is not whole: {fault.words}",
            f"models:/{fault.model}",
            "`variants history --restore` puts it back"
            if fault.text
            else "a clone that remembers it puts it back with `variants history --restore`; if "
            f"there is none, `variants history --accept {fault.hash[:12]} --reason WHY --by NAME` "
            "notes that you know",
        )
        for fault in faults
    ]


def refuse_gaps(project: Project, client: MlflowClient, names: ModelNames) -> None:
    """Refuses to go on with an audit trail that is not whole.

    Raises:
        UserError: an event was changed, removed or added by hand.
    """
    faults = trail_problems(check_trail(project, client, names))
    if faults:
        more = f" ({len(faults)} such events; `variants history --verify` lists them)"
        raise UserError(f"{faults[0]}{more if len(faults) > 1 else ''}")


def restore(project: Project, client: MlflowClient, names: ModelNames) -> int:
    """Puts back every event that this clone remembers as it was written; returns their number."""
    known = [fault for fault in check_trail(project, client, names) if fault.text and fault.key]
    for fault in known:
        client.set_registered_model_tag(fault.model, fault.key, fault.text)
    return len(known)


def accept(
    project: Project, client: MlflowClient, names: ModelNames, start: str, reason: str, by: str
) -> str:
    """Notes in the audit trail that a person knows of a fault, which then counts no longer.

    Args:
        start: the hash of the fault, or how it begins.
        reason: the person's words.
        by: name of the person.

    Returns:
        The words of the fault.

    Raises:
        UserError: there is no such fault, or no reason.
    """
    if not reason.strip():
        raise UserError("--accept needs a reason for readers of the audit trail: add --reason WHY")
    faults = check_trail(project, client, names)
    fault = next((one for one in faults if start and one.hash.startswith(start)), None)
    if fault is None:
        known = ", ".join(one.hash[:12] for one in faults) or "none"
        raise UserError(f"the audit trail has no fault {shlex.quote(start)}: there are {known}")
    facts = {ACCEPTED: fault.hash, "comment": reason}
    note_on_model(client, fault.model, "gap", by, **facts)
    return fault.words


def _against(model: str, now: dict[str, str], known: dict[str, str], who: str) -> list[Fault]:
    """The events that somebody knows, and that are there no longer or not as they were."""
    return [
        Fault(
            model,
            hash_of(text),
            f"{who} the event of {_told(text)}, which somebody has "
            f"{'changed' if key in now else 'removed'}",
            key,
            text,
        )
        for key, text in sorted(known.items())
        if now.get(key) != text
    ]


def _copies(client: MlflowClient, names: ModelNames) -> list[Fault]:
    """Compares production's events with the copies that the candidates keep.

    Of two that differ, the one counts whose hash another event of production names.
    """
    production = or_none(client.get_registered_model, names.production)
    if production is None:
        return []
    now, found = event_tags(client, names.production), []
    named = named_hashes(now.values())
    for key, copy in event_tags(client, names.candidates).items():
        event = event_of(copy)
        if event is None or not event["version"].startswith(f"models:/{names.production}/"):
            continue
        at, there = datetime.fromisoformat(event["at"]), now.get(key)
        if there == copy or at.timestamp() * 1000 < production.creation_timestamp:
            continue
        if hash_of(copy) in named or (there is None and key > max(now, default="")):
            model, text, keeps = names.production, copy, names.candidates
        elif there and hash_of(there) in named:
            model, text, keeps = names.candidates, there, names.production
        else:  # what this clone remembers tells more
            continue
        words = f"'{keeps}' keeps the event of {_told(text)}, which somebody has changed or removed"
        found.append(Fault(model, hash_of(text), words, key, text))
    return found


def _outside(model: str, own: dict[str, str]) -> list[Fault]:
    """The events without a place in the chain, after the first that has one."""
    found, chained = [], False
    for text in own.values():
        event = event_of(text)
        if event and AFTER in event:
            chained = True
        elif event and chained:
            words = (
                f"the event of {_told(text)} names no earlier one: it was added by hand, or by an "
                "older version of this program"
            )
            found.append(Fault(model, hash_of(text), words))
    return found


def _accepted(client: MlflowClient, names: ModelNames) -> set[str]:
    found = set()
    for name in (names.production, names.candidates):
        for text in event_tags(client, name).values():
            event = event_of(text)
            if event and event["what"] == "gap":
                found.add(event.get(ACCEPTED, ""))
    return found


def _told(text: str) -> str:
    event = event_of(text)
    if event is None:
        return "an unreadable text"
    return f"{event['at'][:16].replace('T', ' ')} ({event['what']} of {event['version']})"
