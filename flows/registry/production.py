"""The production model: copies of candidates, one of which is the champion.

MLflow cannot move an alias on the condition that it still points where it did, and a lock of one
clone means nothing to another. What the registry does in one step is to number copies: of
promotions at once, the first copy goes on.
"""

import time
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import events
from flows.registry.versions import CHAMPION, ensure_model, uri_of, version_by_alias
from ml.core.errors import UserError
from ml.promote.policy import ModelNames

LOCK = "promotion.lock"  # in the project's room: of promotions and rollbacks at once in a clone, one comes first and the other sees it
PATIENCE = 600  # seconds after which a promotion that has not ended is dead


def copy_to_production(
    client: MlflowClient, names: ModelNames, candidate: ModelVersion
) -> ModelVersion:
    """The production version of a candidate: copied now, or by an attempt that was interrupted afterwards."""
    ensure_model(client, names.production, "The model that serves: read models:/…@champion.")
    known = client.search_model_versions(f"name = '{names.production}'")
    copied = max(
        (one for one in known if one.source == uri_of(candidate)),
        key=lambda one: int(one.version),
        default=None,
    )
    copied = copied or client.copy_model_version(uri_of(candidate), names.production)
    for name, value in (
        ("candidate", uri_of(candidate)),
        ("gate_champion", candidate.tags["gate_champion"]),
    ):
        client.set_model_version_tag(names.production, copied.version, name, value)
    return client.get_model_version(names.production, copied.version)


def refuse_second(client: MlflowClient, names: ModelNames, copied: ModelVersion) -> None:
    """Raises UserError where another promotion that would replace the same champion was first, and is still under way.

    A copy has its tags, among them the champion that its candidate was compared with, from its
    first moment, so of two promotions at least the second sees the other. Whoever goes on must look
    at the champion after this: what is under way no longer has moved it.
    """
    ended = promoted(client, names)
    for other in client.search_model_versions(f"name = '{names.production}'"):
        if (
            int(other.version) < int(copied.version)
            and other.tags.get("gate_champion") == copied.tags["gate_champion"]
            and uri_of(other) not in ended
            and time.time() - other.creation_timestamp / 1000 < PATIENCE
        ):
            raise UserError(
                f"{other.source} is being promoted at this moment, to replace the same champion: see with `variants status` what "
                f"serves then; where that promotion has died, give its command again, or this one in {PATIENCE // 60} minutes"
            )


def promoted(client: MlflowClient, names: ModelNames) -> set[str]:
    """The addresses of all production versions whose promotion is on record: those that were the champion once."""
    return {event["version"] for event in events(client, names) if event["what"] == "promotion"}


def champion_without_record(
    client: MlflowClient, names: ModelNames, candidate: ModelVersion
) -> ModelVersion | None:
    """The champion, where it is a copy of this candidate by a promotion that died before it was on record."""
    champion = version_by_alias(client, names.production, CHAMPION)
    if champion is None or champion.tags.get("candidate") != uri_of(candidate):
        return None
    return None if uri_of(champion) in promoted(client, names) else champion


def move_champion(
    client: MlflowClient, names: ModelNames, version: str, tags: dict[str, str]
) -> None:
    """Points `champion` to a version of the production model and notes on the version why and when."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name, value in (tags | {"champion_since": now}).items():
        client.set_model_version_tag(names.production, version, name, value)
    client.set_registered_model_alias(names.production, CHAMPION, version)
