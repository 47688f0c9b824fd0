"""Rolls back to an earlier champion.

The function `roll_back` needs only the registry. The flow `rollback` also shows the rollback on
Prefect's page.
"""

from typing import Any

from filelock import FileLock
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.display.states import refusals_are
from flows.local.environment import set_up
from flows.local.markdown import block
from flows.local.project import find_project
from flows.registry.audit_trail import IMPACT, LONGEST, events_on, impact_between, note_event
from flows.registry.champion_to_beat import is_off_record
from flows.registry.description import describe
from flows.registry.model_files import unusable
from flows.registry.outside_move import notice
from flows.registry.people import PersonName, account, person
from flows.registry.production import (
    LOCK,
    champions_on_record,
    move_champion,
    promoted,
    recorded_moves,
)
from flows.registry.tracking import connect, permitted
from flows.registry.verified_files import hashes_of, refuse_changed
from flows.registry.versions import CHAMPION, find_version, policy_of, uri_of, version_by_alias
from ml.core.errors import UserError
from ml.promote.policy import ModelNames


@flow(flow_run_name="rollback: {reason}")
@refusals_are("Not rolled back")
def rollback(reason: str, by: PersonName, to: int | str = "") -> dict[str, Any]:
    """Points `champion` back to an earlier version of the production model.

    Args:
        reason: Why; stored on the version that is replaced and on the one that returns.
        by: Your name, for the audit trail.
        to: Number of the production version that returns. Empty: the one that today's champion
            replaced.

    Returns:
        As `roll_back`.

    Raises:
        UserError: as `roll_back`.
    """
    set_up()
    result = roll_back(reason, str(to), by)
    words = f"`models:/…/{result['replaced']}` → `{result['model']}`"
    create_markdown_artifact(f"# Rolled back\n\n{words}\n\n{block(reason)}", key="rollback")
    get_run_logger().info(told(result))
    return result


def told(result: dict[str, str]) -> str:
    """Returns the result of a rollback in a sentence."""
    replaced = result["replaced"]
    if result["model"] == "none":
        return f"nothing serves now: version {replaced} was the champion, and nobody promoted it"
    words = f"{result['model']} is the champion again"
    if replaced == "none":
        return words
    words += f", instead of version {replaced}"
    if result["impact"]:
        return f"{words}; {result['impact']} move, by the gate's sample"
    return (
        f"{words}; how many products move is not known, since the gate has not compared the two: "
        "`variants group --source SHOP` tells it in changes.csv"
    )


def roll_back(reason: str, to: str = "", by: str = "") -> dict[str, str]:
    """Rolls back without Prefect, since in an emergency fewer parts can fail.

    Args:
        reason, to: as for the flow `rollback`.
        by: who rolls back. Empty: git's user name in this clone.

    Returns:
        {"model": URI of the new champion, or "none" if nothing serves now, since nothing was ever
        promoted on record, "replaced": number of the version that it replaces, or "none" if nothing
        served, "impact": how many products move, in words; empty if the gate has not measured it}.

    Raises:
        UserError: there is no reason, no champion or no such version, the version is the champion
            already, or it never was the champion.
    """
    if not reason.strip():
        raise UserError("the reason is empty: give one with --reason, for readers of the registry")
    project = find_project()
    client = connect(project)
    names, who, known_as = policy_of(project).models, person(project, by), account(project)
    with FileLock(project.room / LOCK), permitted(project):
        notice(project, client, names)
        champion = version_by_alias(client, names.production, CHAMPION)
        if champion and not to and never_promoted(client, names, champion):
            return take_away(client, names, champion, who, reason)
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
        replaced = str(champion.version) if champion else "none"
        if champion:
            client.set_model_version_tag(names.production, replaced, "rolled_back", reason)
        # On record first: if this command dies in between, the same one moves the alias.
        facts = {"replaced": replaced, "comment": reason}
        impact = impact_between(client, names, str(target.version), replaced)
        facts |= {IMPACT: impact} if impact else {}
        if not _on_record(client, target, facts):
            facts |= known_as
            note_event(client, target, "rollback", who, also=names.candidates, **facts)
        move_champion(client, names, str(target.version), {"restored": reason})
        describe(client, names, target, *([champion] if champion else []))
    return {"model": uri_of(target), "replaced": replaced, "impact": impact}


def never_promoted(client: MlflowClient, names: ModelNames, champion: ModelVersion) -> bool:
    """Returns whether the champion was set by hand, where no promotion is on record at all."""
    return not recorded_moves(client, names) and is_off_record(client, names, champion)


def take_away(
    client: MlflowClient, names: ModelNames, champion: ModelVersion, who: str, reason: str
) -> dict[str, str]:
    """Takes the alias `champion` from a version that somebody has given it to by hand.

    Returns:
        As `roll_back`.
    """
    facts = {"replaced": str(champion.version), "comment": f"alias taken away: {reason}"}
    note_event(client, champion, "moved", who, also=names.candidates, **facts)
    client.set_model_version_tag(names.production, champion.version, "rolled_back", reason)
    client.delete_registered_model_alias(names.production, CHAMPION)
    return {"model": "none", "replaced": str(champion.version), "impact": ""}


def _on_record(client: MlflowClient, target: ModelVersion, facts: dict[str, str]) -> bool:
    """Whether the last move of the champion on record is this rollback, which then died."""
    moves = ("promotion", "rollback")
    recorded = [one for one in events_on(client, target.name).values() if one["what"] in moves]
    noted = {name: words[:LONGEST] for name, words in facts.items()}
    wanted = {"what": "rollback", "version": uri_of(target)} | noted
    return bool(recorded) and wanted.items() <= recorded[-1].items()


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
