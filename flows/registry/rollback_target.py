"""The version that a rollback goes to, and whether it may serve again; it needs no Prefect."""

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.champion_to_beat import is_off_record
from flows.registry.model_files import unusable
from flows.registry.production import champions_on_record, promoted, recorded_moves
from flows.registry.verified_files import hashes_of, refuse_changed
from flows.registry.versions import find_version, uri_of
from ml.core.errors import UserError
from ml.promote.policy import ModelNames


def rollback_target(
    client: MlflowClient, names: ModelNames, champion: ModelVersion | None, to: str
) -> ModelVersion:
    """Returns the production version that a rollback goes to.

    Args:
        champion: today's; None if nothing serves.
        to: its number; empty: the one that today's champion replaced.

    Raises:
        UserError: there is no such version, it is the champion already, it never was the champion,
            or its model is lost or changed.
    """
    earlier = to.removeprefix("v") or earlier_champion(client, names, champion)
    target = find_version(client, f"models:/{names.production}/{earlier}")
    if champion and uri_of(target) == uri_of(champion):
        raise UserError(f"{uri_of(target)} is the champion already: nothing has changed")
    served = promoted(client, names)
    if uri_of(target) not in served:
        raise UserError(
            f"{uri_of(target)} was never the champion, only copied, and a rollback cannot "
            f"replace the gate: choose one of {', '.join(sorted(served)) or 'none'}"
        )
    refuse_lost(client, target)
    return target


def never_promoted(client: MlflowClient, names: ModelNames, champion: ModelVersion) -> bool:
    """Returns whether the champion was set by hand, where no promotion is on record at all."""
    return not recorded_moves(client, names) and is_off_record(client, names, champion)


def earlier_champion(client: MlflowClient, names: ModelNames, champion: ModelVersion | None) -> str:
    """Returns the number of the version that a rollback goes to unless a person names one.

    It is the version that today's champion replaced. If somebody moved or removed the alias by
    hand, or a rollback died, it is the champion by the audit trail.

    Args:
        champion: today's; None if nothing serves.

    Raises:
        UserError: there is no such version.
    """
    recorded = champions_on_record(client, names)
    if champion is None and not recorded:
        raise UserError(
            f"the production model '{names.production}' has no champion, so there is nothing to "
            "roll back: `variants promote` makes a champion"
        )
    if champion is None or (recorded and recorded[0] != str(champion.version)):
        return recorded[0]
    earlier = champion.tags.get("replaced", "none")
    if earlier == "none":
        raise UserError(
            f"{uri_of(champion)} replaced no other champion: name a version with --to; `variants "
            "history` lists the promotions"
        )
    return earlier


def refuse_lost(client: MlflowClient, target: ModelVersion) -> None:
    """Refuses a version whose model is lost or changed; if nobody can tell now, it may return.

    Raises:
        UserError: the model's files are gone, or are not those that the gate judged.
    """
    try:
        why = unusable(client, target)
        hashes = None if why else hashes_of(client, target)
    except Exception:  # a rollback needs the registry only, and not the place of the files
        return
    if hashes is not None:
        refuse_changed(client, target, hashes)
    if why:
        raise UserError(
            f"{uri_of(target)} cannot serve: {why}; name another version with --to, `variants "
            "history` lists the promotions"
        )
