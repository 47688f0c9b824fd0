"""Approval by people of what the gate has passed: the form on Prefect's page, and the commands."""

from typing import Any, Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect.input import RunInput
from pydantic import Field

from flows.gate.standing import approval_of
from flows.local.project import Project
from flows.registry.audit_trail import What, decision_on_record, note_event
from flows.registry.description import describe
from flows.registry.people import PersonName, account, person, shown
from flows.registry.policy_on_record import policy_on_record
from flows.registry.tracking import connect, permitted
from flows.registry.versions import (
    find_candidate,
    policy_of,
    refusal_of,
    uri_of,
    where_decided,
)
from ml.core.errors import UserError


class ApprovalForm(RunInput):
    """The form on Prefect's page for people who approve or reject a candidate."""

    name: PersonName = Field(description="Your name, for the audit trail")
    verdict: Literal["approve", "reject"] = Field(description="May this model serve?")
    comment: str = Field("", description="Your reason, for the audit trail")


def note_verdict(
    project: Project,
    version: str,
    verdict: Literal["approval", "rejection"],
    by: str,
    comment: str,
    known_as: dict[str, str] | None = None,
) -> dict[str, Any]:
    """Notes in the audit trail that a person approves or rejects a candidate.

    Args:
        version: number of the candidate, or @challenger.
        by: name of the person; empty: git's user name in this clone.
        comment: the person's reason.
        known_as: facts about the person, if a proxy knows the account; see
            `flows.registry.people.account`, which tells them otherwise.

    Returns:
        {"model": URI of the candidate, "by": name of the person, "standing": verdict of the
        approval, "words": the reason for it}.

    Raises:
        UserError: there is no such candidate, or the gate has not passed what is to be approved.
    """
    client, names = connect(project), policy_of(project).models
    candidate = find_candidate(client, names, version)
    decided = decision_on_record(client, candidate)
    policy = policy_on_record(project, candidate, decided).policy
    refusal = refusal_of(candidate, decided, policy)
    if verdict == "approval" and refusal:
        where = where_decided(client, candidate)
        raise UserError(f"{uri_of(candidate)} cannot be approved: {refusal}; {where}")
    name = person(project, by)
    known_as = account(project) if known_as is None else known_as
    with permitted(project):
        note_event(client, candidate, verdict, name, comment=comment, **known_as)
        describe(client, policy.models, candidate)
    now = approval_of(client, policy, candidate)
    return {"model": uri_of(candidate), "by": name, "standing": now.verdict, "words": now.words}


def note_answer(
    client: MlflowClient,
    candidate: ModelVersion,
    answer: ApprovalForm,
    form: str,
    known_as: dict[str, str],
) -> None:
    """Notes the answer to a form on Prefect's page in the audit trail, unless it is noted already.

    Args:
        form: id of the flow run and key of the form; no other form has the same.
        known_as: the account of the machine that serves the flow, as Prefect's page knows nobody
            who fills in a form; see `flows.registry.people.account`.
    """
    noted = client.get_registered_model(candidate.name).tags.values()
    if not any(form in value for value in noted):
        verdict: What = "approval" if answer.verdict == "approve" else "rejection"
        facts = {"comment": answer.comment, "form": form} | known_as
        note_event(client, candidate, verdict, shown(answer.name), **facts)
