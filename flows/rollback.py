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
from flows.registry.description import describe
from flows.registry.outside_move import notice
from flows.registry.people import PersonName, account, person
from flows.registry.production import LOCK, move_champion
from flows.registry.rollback_target import never_promoted, rollback_target
from flows.registry.tracking import connect, permitted
from flows.registry.versions import CHAMPION, policy_of, uri_of, version_by_alias
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
        target = rollback_target(client, names, champion, to)
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
