"""Rolls back to an earlier champion.

The function `roll_back` needs only the registry. The flow `rollback` also shows the rollback on
Prefect's page.
"""

from typing import Any

from filelock import FileLock
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.local.environment import set_up
from flows.local.markdown import block
from flows.local.project import find_project
from flows.registry.audit_trail import note_event, person
from flows.registry.production import LOCK, move_champion, promoted
from flows.registry.tracking import connect, permitted
from flows.registry.versions import CHAMPION, find_version, policy_of, uri_of, version_by_alias
from ml.core.errors import UserError


@flow(flow_run_name="rollback: {reason}")
def rollback(reason: str, to: str = "", by: str = "") -> dict[str, Any]:
    """Points `champion` back to an earlier version of the production model.

    Args:
        reason: Why; stored on the version that is replaced and on the one that returns.
        to: Number of the production version that returns. Empty: the one that today's champion
            replaced.
        by: Who rolls back. Empty: git's user name in this clone.

    Returns:
        {"model": URI of the new champion, "replaced": number of the version that it replaces}.

    Raises:
        UserError: as `roll_back`.
    """
    set_up()
    result = roll_back(reason, to, by)
    words = f"`models:/…/{result['replaced']}` → `{result['model']}`"
    create_markdown_artifact(f"# Rolled back\n\n{words}\n\n{block(reason)}", key="rollback")
    get_run_logger().info(
        "%s is the champion again, instead of version %s", result["model"], result["replaced"]
    )
    return result


def roll_back(reason: str, to: str = "", by: str = "") -> dict[str, str]:
    """Rolls back without Prefect, since in an emergency fewer parts can fail.

    Args:
        reason, to, by: as for the flow `rollback`.

    Returns:
        {"model": URI of the new champion, "replaced": number of the version that it replaces}.

    Raises:
        UserError: there is no reason, no champion or no such version, the version is the champion
            already, or it never was the champion.
    """
    if not reason.strip():
        raise UserError("the reason is empty: give one with --reason, for readers of the registry")
    project = find_project()
    client = connect(project)
    names = policy_of(project).models
    with FileLock(project.room / LOCK), permitted(project):
        champion = version_by_alias(client, names.production, CHAMPION)
        if champion is None:
            raise UserError(
                f"the production model '{names.production}' has no champion, so there is nothing "
                "to roll back: `variants promote` makes a champion"
            )
        earlier = to.removeprefix("v") if to else champion.tags.get("replaced", "none")
        if earlier == "none":
            raise UserError(
                f"{uri_of(champion)} replaced no other champion: name a version with --to; "
                "`variants history` lists the promotions"
            )
        target = find_version(client, f"models:/{names.production}/{earlier}")
        if uri_of(target) == uri_of(champion):
            raise UserError(f"{uri_of(target)} is the champion already: nothing has changed")
        served = promoted(client, names)
        if uri_of(target) not in served:
            raise UserError(
                f"{uri_of(target)} was never the champion, only copied, and a rollback cannot "
                f"replace the gate: choose one of {', '.join(sorted(served))}"
            )
        client.set_model_version_tag(names.production, champion.version, "rolled_back", reason)
        move_champion(client, names, str(target.version), {"restored": reason})
        note_event(
            client,
            target,
            "rollback",
            person(project, by),
            replaced=str(champion.version),
            comment=reason,
        )
    return {"model": uri_of(target), "replaced": str(champion.version)}
