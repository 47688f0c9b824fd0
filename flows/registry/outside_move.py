"""Notices when the alias `champion` was moved outside of the record, such as by MLflow's page."""

from contextlib import suppress

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.audit_trail import MOVES, events_on, note_event
from flows.registry.champion_to_beat import is_off_record, off_record
from flows.registry.description import describe
from flows.registry.people import person
from flows.registry.problem import Problem
from flows.registry.production import champions_on_record
from flows.registry.versions import (
    CHAMPION,
    find_version,
    uri_of,
    version_by_alias,
    version_by_number,
)
from ml.core.errors import UserError
from ml.promote.policy import ModelNames, Policy


def notice(project: Project, client: MlflowClient, names: ModelNames) -> Problem | None:
    """Compares the alias with the record; a move outside of the record becomes an event, once.

    Every command that reads or changes what serves calls it.

    Returns:
        What is wrong; None if the version that serves is the one on record, or none serves.
    """
    served = version_by_alias(client, names.production, CHAMPION)
    problem = off_record(client, names, served) if served else None
    if served is None or problem is None or not is_off_record(client, names, served):
        return problem
    moves = [one for one in events_on(client, names.production).values() if one["what"] in MOVES]
    noted = bool(moves) and moves[-1]["what"] == "moved" and moves[-1]["version"] == uri_of(served)
    if not noted and not project.reads_only:
        recorded = champions_on_record(client, names)
        facts = {
            "replaced": recorded[0] if recorded else "none",
            "comment": f"moved outside of the record; noticed by {person(project)}",
        }
        with suppress(MlflowException):  # this account may only read; the next one notes it
            note_event(client, served, "moved", "unknown", also=names.candidates, **facts)
        before = version_by_number(client, names.production, facts["replaced"])
        describe(client, names, served, *([before] if before else []))
    return problem


def named_or_champion(
    project: Project, client: MlflowClient, policy: Policy, model: str
) -> ModelVersion:
    """Returns the version that a person named, or the champion if it is the one on record.

    Args:
        model: URI of a version or alias; empty: the champion.

    Raises:
        UserError: as `find_version` and `refuse_outside`.
    """
    champion = f"{policy.models.production}@{CHAMPION}"
    version = find_version(client, model or champion)
    if model.removeprefix("models:/") in ("", champion):
        refuse_outside(project, client, policy)
    return version


def refuse_outside(project: Project, client: MlflowClient, policy: Policy) -> None:
    """Refuses to use a champion that is not the one on record, if the policy is strict.

    Raises:
        UserError: the policy says `record: strict`, and the audit trail names another champion.
    """
    problem = notice(project, client, policy.models)
    if problem and policy.record == "strict":
        raise UserError(f"{problem} (mlflow/promotion.yaml says `record: strict`)")
