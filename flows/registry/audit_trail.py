"""The audit trail in the registry: decisions, approvals, promotions and rollbacks.

Each event is a tag of its own on a registered model. The time and a random number make the tag's
name, so that events that are written at once cannot overwrite each other. Since the tags belong to
the model, they stay when its versions are deleted.
"""

import getpass
import json
import secrets
from datetime import UTC, datetime
from typing import Any, Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.git import git
from flows.local.project import Project
from flows.registry.tracking import connect
from flows.registry.versions import policy_of, uri_of
from ml.core.errors import UserError
from ml.promote.policy import ModelNames

PREFIX = "event."
LONGEST = 1000  # characters of a fact, since a tag holds 5,000
What = Literal["decision", "approval", "rejection", "promotion", "rollback", "reproduction"]


def note_event(
    client: MlflowClient, version: ModelVersion, what: What, by: str, **facts: str
) -> dict[str, str]:
    """Adds an event about a version to the audit trail.

    Args:
        what: kind of the event.
        by: the person or the flow that acts.
        facts: further text by name, such as `comment`; cut after 1,000 characters each.

    Returns:
        The event: at (UTC, ISO 8601), what, version (URI), by, and the facts.
    """
    now = datetime.now(UTC)
    words = {name: value[:LONGEST] for name, value in facts.items()}
    event = {
        "at": now.isoformat(timespec="milliseconds"),
        "what": what,
        "version": uri_of(version),
        "by": by,
        **words,
    }
    key = f"{PREFIX}{now:%Y%m%dT%H%M%S%f}.{secrets.token_hex(4)}"
    client.set_registered_model_tag(version.name, key, json.dumps(event, ensure_ascii=False))
    return event


def events(client: MlflowClient, names: ModelNames) -> list[dict[str, str]]:
    """Returns the events of the candidates and of production, oldest first."""
    found = []
    for name in (names.candidates, names.production):
        try:
            tags = client.get_registered_model(name).tags
        except MlflowException:  # nothing is registered yet
            continue
        found += [(key, json.loads(value)) for key, value in tags.items() if key.startswith(PREFIX)]
    return [event for _, event in sorted(found, key=lambda one: one[0])]


def history(project: Project, version: str = "") -> list[dict[str, Any]]:
    """Returns the events that `variants history` shows, oldest first.

    Args:
        version: URI of a candidate or production version, such as models:/color-variants/3; only
            its events are returned. Empty: all events.
    """
    client = connect(project)
    found = events(client, policy_of(project).models)
    return [
        event
        for event in found
        if not version or version in (event["version"], event.get("candidate"))
    ]


def person(project: Project, named: str = "") -> str:
    """Returns who acts: the given name, otherwise git's user name, otherwise the login name.

    Raises:
        UserError: the given name is blank.
    """
    if named and not named.strip():
        raise UserError(
            "--by needs a name: give one, or leave the option out to use git's user name"
        )
    return (
        named.strip()
        or git(project.root, "config", "--default", "", "--get", "user.name")
        or getpass.getuser()
    )
