"""The production model: its versions are copies of candidates, and one of them is the champion.

MLflow cannot move an alias only if it still points to the expected version, and one clone's lock
does not bind another clone. But the registry numbers copies in one atomic step. So if several
promotions run at once, the one with the first copy goes on.
"""

import time
from datetime import UTC, datetime

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import decision_on_record, events_on
from flows.registry.versions import (
    CHAMPION,
    ensure_model,
    same_model,
    uri_of,
    version_by_alias,
)
from ml.core.errors import UserError
from ml.promote.policy import ModelNames

# Lock file in `.variants`. It puts the promotions and rollbacks of one clone in sequence, so that
# the second sees the result of the first.
LOCK = "promotion.lock"
PATIENCE = 600  # seconds after which an unfinished promotion counts as dead


def copy_to_production(
    client: MlflowClient, names: ModelNames, candidate: ModelVersion
) -> ModelVersion:
    """Copies a candidate to the production model, unless an interrupted attempt has copied it.

    Returns:
        The production version, with the tags candidate (URI) and gate_champion.

    Raises:
        UserError: the gate has not decided about the candidate.
    """
    decided = decision_on_record(client, candidate)
    if decided is None:
        raise UserError(
            f"{uri_of(candidate)} cannot be promoted: the gate has not decided about it"
        )
    ensure_model(client, names.production, "The model that serves: read models:/…@champion.")
    known = client.search_model_versions(f"name = '{names.production}'")
    copied = max(
        (one for one in known if one.source == uri_of(candidate) and same_model(one, candidate)),
        key=lambda one: int(one.version),
        default=None,
    )
    copied = copied or client.copy_model_version(uri_of(candidate), names.production)
    for name, value in (
        ("candidate", uri_of(candidate)),
        ("gate_champion", decided["champion"]),
    ):
        client.set_model_version_tag(names.production, copied.version, name, value)
    return client.get_model_version(names.production, copied.version)


def refuse_second(client: MlflowClient, names: ModelNames, copied: ModelVersion) -> None:
    """Refuses a promotion if an earlier one that replaces the same champion is still running.

    MLflow creates a copy together with its tags, one of which names the champion that the candidate
    was compared with. So at least the second of two promotions sees the other. The caller must look
    up the champion after this call, since a promotion that has ended may have moved the alias.

    Args:
        copied: the production version of the promotion that is to go on.

    Raises:
        UserError: there is such a promotion.
    """
    # One that somebody has made the champion by hand is no promotion either.
    ended = promoted(client, names) | _versions_of(client, names, "moved")
    for other in client.search_model_versions(f"name = '{names.production}'"):
        if (
            int(other.version) < int(copied.version)
            and other.tags.get("gate_champion") == copied.tags["gate_champion"]
            and uri_of(other) not in ended
            and time.time() - other.creation_timestamp / 1000 < PATIENCE
        ):
            raise UserError(
                f"{other.source} is being promoted at this moment, to replace the same champion: "
                "see the result with `variants status`; if that promotion has died, give its "
                f"command again, or give this one again in {PATIENCE // 60} minutes"
            )


def promoted(client: MlflowClient, names: ModelNames) -> set[str]:
    """Returns the URIs of all versions that were the champion once, by the audit trail."""
    return _versions_of(client, names, "promotion")


def _versions_of(client: MlflowClient, names: ModelNames, what: str) -> set[str]:
    return {
        f"models:/{names.production}/{number_of(event['version'])}"
        for event in events_on(client, names.production).values()
        if event["what"] == what
    }


def champions_on_record(client: MlflowClient, names: ModelNames) -> list[str]:
    """Returns the numbers of the champions by the audit trail of the production model.

    The first is the champion of the last promotion or rollback, and after each comes the one that
    it replaced when it was promoted. So champions that were rolled back are left out.
    """
    moves = recorded_moves(client, names)
    replaced = {
        number_of(event["version"]): event.get("replaced", "none")
        for event in moves
        if event["what"] == "promotion"
    }
    found: list[str] = []
    current = number_of(moves[-1]["version"]) if moves else "none"
    while current != "none" and current not in found:
        found.append(current)
        current = replaced.get(current, "none")
    return found


def recorded_moves(client: MlflowClient, names: ModelNames) -> list[dict[str, str]]:
    """Returns the promotions and rollbacks that production keeps, oldest first."""
    kept = events_on(client, names.production).values()
    return [event for event in kept if event["what"] in ("promotion", "rollback")]


def last_move(client: MlflowClient, names: ModelNames) -> dict[str, str] | None:
    """Returns the last promotion or rollback on record, or None."""
    moves = recorded_moves(client, names)
    return moves[-1] if moves else None


def number_of(uri: str) -> str:
    """Returns the number of a version's URI, which stays when the model is renamed."""
    return uri.rpartition("/")[2]


def champion_without_record(
    client: MlflowClient, names: ModelNames, candidate: ModelVersion
) -> ModelVersion | None:
    """Returns the champion if a promotion of this candidate died before it noted the event.

    A promotion tags the version before it moves the alias. Without these tags a person has moved
    the alias, and that is no promotion.
    """
    champion = version_by_alias(client, names.production, CHAMPION)
    if champion is None or champion.tags.get("candidate") != uri_of(candidate):
        return None
    if not same_model(champion, candidate) or not made_champion(champion):
        return None
    return None if uri_of(champion) in promoted(client, names) else champion


def made_champion(champion: ModelVersion) -> bool:
    """Returns whether a promotion has made this version the champion, on record or not yet."""
    return {"replaced", "champion_since"} <= champion.tags.keys()


def is_copy(champion: ModelVersion, candidate: ModelVersion) -> bool:
    """Returns whether a production version holds the model of a candidate."""
    if champion.model_id or champion.run_id:
        return same_model(champion, candidate)
    return champion.tags.get("candidate") == uri_of(candidate)


def move_champion(
    client: MlflowClient, names: ModelNames, version: str, tags: dict[str, str]
) -> None:
    """Points `champion` to a production version and sets the version's tags.

    Args:
        version: number of the production version.
        tags: values by name; the tag champion_since (UTC, ISO 8601) is added.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name, value in (tags | {"champion_since": now}).items():
        client.set_model_version_tag(names.production, version, name, value)
    client.set_registered_model_alias(names.production, CHAMPION, version)
