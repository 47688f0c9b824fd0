"""The audit trail in the registry: decisions, approvals, promotions and rollbacks.

Each event is a tag of its own on a registered model. The time and a random number make the tag's
name, so that events that are written at once cannot overwrite each other. Since the tags belong to
the model, they stay when its versions are deleted. What moves the champion is noted on the model of
candidates too, so that it stays when the production model is deleted or renamed. Hashes bind the
events of a registered model to a chain (see `flows.registry.trail_chain`).
"""

import json
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from typing import Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.registry.trail_chain import AFTER, ends_of
from flows.registry.versions import or_none, uri_of
from ml.promote.policy import ModelNames

PREFIX = "event."
LONGEST = 1000  # characters of a fact, since a tag holds 5,000
WHOLE = ("policy",)  # facts of which every character counts, and which no person writes
What = Literal[
    "decision", "approval", "rejection", "promotion", "rollback", "reproduction", "moved", "gap"
]
MOVES = ("promotion", "rollback", "moved")  # the events that say which version is the champion
IMPACT = "impact"  # fact of decisions and moves: how many products move, in words
WORDS = "words"  # fact of decisions that passed: what speaks for the candidate
ALWAYS = ("at", "what", "version", "by")  # the facts that every event has


def note_event(
    client: MlflowClient, version: ModelVersion, what: What, by: str, also: str = "", **facts: str
) -> dict[str, str]:
    """Adds an event about a version to the audit trail.

    Args:
        what: kind of the event.
        by: the person or the flow that acts.
        also: name of a second registered model that keeps the event too, if this account may write
            there.
        facts: further text by name, such as `comment`; cut after 1,000 characters each, but the
            policy.

    Returns:
        The event: at (UTC, ISO 8601), what, version (URI), by, and the facts.
    """
    event = {"what": what, "version": uri_of(version), "by": by} | _cut(facts)
    return _note(client, version.name, event, also)


def note_on_model(
    client: MlflowClient, name: str, what: What, by: str, **facts: str
) -> dict[str, str]:
    """Adds an event about a registered model, and about none of its versions, to its audit trail.

    The other arguments and the result are those of `note_event`; the version is `models:/NAME`.
    """
    event = {"what": what, "version": f"models:/{name}", "by": by} | _cut(facts)
    return _note(client, name, event)


def _cut(facts: dict[str, str]) -> dict[str, str]:
    return {name: value if name in WHOLE else value[:LONGEST] for name, value in facts.items()}


def _note(client: MlflowClient, name: str, event: dict[str, str], also: str = "") -> dict[str, str]:
    """Writes an event of a registered model, with its time and its place in the chain."""
    now = datetime.now(UTC)
    event = {"at": now.isoformat(timespec="milliseconds")} | event
    event[AFTER] = ends_of(own_events(client, name).values())
    key = f"{PREFIX}{now:%Y%m%dT%H%M%S%f}.{secrets.token_hex(4)}"
    text = json.dumps(event, ensure_ascii=False)
    client.set_registered_model_tag(name, key, text)
    if also:
        with suppress(MlflowException):  # the event is on record already
            client.set_registered_model_tag(also, key, text)
    return event


def own_events(client: MlflowClient, name: str) -> dict[str, str]:
    """Returns the event tags of a registered model without copies of another's, oldest first.

    What can no longer be read is among them, since it was an event once.
    """
    found = {}
    for key, text in sorted(event_tags(client, name).items()):
        event = event_of(text)
        if event is None or event["version"].split("/")[1] == name:
            found[key] = text
    return found


def events(client: MlflowClient, names: ModelNames) -> list[dict[str, str]]:
    """Returns the events of the candidates and of production, oldest first, each once."""
    found = events_on(client, names.candidates) | events_on(client, names.production)
    return [event for _, event in sorted(found.items())]


def events_on(client: MlflowClient, name: str) -> dict[str, dict[str, str]]:
    """Returns the events that one registered model keeps, by the name of their tag, oldest first.

    An entry that a person has made unreadable is left out; `variants status` names it.
    """
    read = {key: event_of(value) for key, value in sorted(event_tags(client, name).items())}
    return {key: event for key, event in read.items() if event is not None}


def event_tags(client: MlflowClient, name: str) -> dict[str, str]:
    """Returns the tags of a registered model that hold events; none if there is no such model."""
    model = or_none(client.get_registered_model, name)
    tags = model.tags if model else {}
    return {key: value for key, value in tags.items() if key.startswith(PREFIX)}


def event_of(text: str) -> dict[str, str] | None:
    """Returns the event that a tag holds, or None if it holds none."""
    try:
        event = json.loads(text)
        at = datetime.fromisoformat(event["at"])
    except (ValueError, TypeError, KeyError):
        return None
    known = at.tzinfo is not None and all(isinstance(event.get(name), str) for name in ALWAYS)
    known = known and event["version"].startswith("models:/")
    return event if known and all(isinstance(value, str) for value in event.values()) else None


def decision_on_record(client: MlflowClient, candidate: ModelVersion) -> dict[str, str] | None:
    """Returns the gate's last decision about a candidate by the audit trail, or None.

    Tags of the version show the decision to people, who can edit them; the audit trail decides.
    """
    found = [
        event
        for event in events_on(client, candidate.name).values()
        if event["what"] == "decision"
        and event["version"] == uri_of(candidate)
        and {"verdict", "champion"} <= event.keys()
    ]
    return found[-1] if found else None


def impact_between(client: MlflowClient, names: ModelNames, version: str, replaced: str) -> str:
    """Returns how many products move when one production version replaces another, in words.

    It is what the gate has measured for the promotion of one of them over the other: just as many
    products move on the way back.

    Args:
        version, replaced: numbers of production versions.

    Returns:
        Such as "3.1 % of 2,000 products"; empty if the gate has not compared the two.
    """
    pairs = ((version, replaced), (replaced, version))
    for event in reversed(events(client, names)):
        pair = (event["version"].rpartition("/")[2], event.get("replaced", ""))
        if event["what"] == "promotion" and pair in pairs and IMPACT in event:
            return event[IMPACT]
    return ""
