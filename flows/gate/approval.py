"""Approval by people: whether enough of them approve a candidate that the gate has passed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect.input import RunInput
from pydantic import Field

from flows.local.project import Project
from flows.registry.audit_trail import What, decision_on_record, events, note_event
from flows.registry.description import describe
from flows.registry.people import PersonName, account, folded, identities, person, shown
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
from ml.promote.policy import ApprovalPolicy, Policy


@dataclass(frozen=True)
class Standing:
    """The state of the approval of a candidate.

    Attributes:
        verdict: "approved", "rejected", or "waiting".
        approvers: names of the people who approved, in order.
        words: the reason for the verdict, for people.
        seconds_left: seconds until the time limit rejects it; below 0 after that.
    """

    verdict: Literal["approved", "rejected", "waiting"]
    approvers: list[str]
    words: str
    seconds_left: int


class ApprovalForm(RunInput):
    """The form on Prefect's page for people who approve or reject a candidate."""

    name: PersonName = Field(description="Your name, for the audit trail")
    verdict: Literal["approve", "reject"] = Field(description="May this model serve?")
    comment: str = Field("", description="Your reason, for the audit trail")


def standing(
    policy: ApprovalPolicy, author: str, trail: list[dict[str, str]], now: datetime
) -> Standing:
    """Derives the state of an approval from the audit trail.

    Approvals and rejections before the gate's last decision do not count, since they are about
    another comparison.

    Args:
        policy: the section `approval` of the policy.
        author: name of the person who started the retraining.
        trail: the events about this candidate, oldest first. An account that they name counts more
            than the name beside it; the gate's first decision bears the author's account.
        now: the current time, with a time zone.
    """
    decided = max(
        (place for place, event in enumerate(trail) if event["what"] == "decision"), default=-1
    )
    said = trail[decided + 1 :]
    deadline = (
        _time(trail[decided]) + timedelta(hours=policy.timeout_hours) if decided >= 0 else now
    )
    in_time = [event for event in said if event["what"] == "approval" and _time(event) <= deadline]
    names: dict[str, str] = {}  # of each person once
    for identity, event in zip(identities(in_time), in_time, strict=True):
        names.setdefault(identity, event["by"])
    approvers = list(names.values())
    decisions = (one["account"] for one in trail if one["what"] == "decision" and "account" in one)
    made_as = next(decisions, "")
    # The account of a form's answer is that of the machine which serves the flow.
    others = [
        one
        for one in in_time
        if folded(one["by"]) != folded(author)
        and ("form" in one or not made_as or one.get("account") != made_as)
    ]
    missing = policy.approvers - len(approvers)

    def found(verdict: Literal["approved", "rejected", "waiting"], words: str) -> Standing:
        return Standing(verdict, approvers, words, int((deadline - now).total_seconds()))

    rejected = next((event for event in said if event["what"] == "rejection"), None)
    if rejected:
        return found(
            "rejected", f"{rejected['by']} rejected it: {rejected.get('comment') or 'no comment'}"
        )
    if missing <= 0 and (policy.author_alone or others or not policy.approvers):
        return found(
            "approved",
            f"approved by {', '.join(approvers)}" if approvers else "nobody has to approve it",
        )
    if now > deadline:
        return found(
            "rejected", f"not approved within {policy.timeout_hours:g} hours of the gate's decision"
        )
    if missing > 0:
        again = ", under another name and account" if len(in_time) > len(approvers) else ""
        return found("waiting", f"{missing} more must approve it{again}")
    return found("waiting", f"somebody else than {author}, who made it, must approve it too")


def approval_of(client: MlflowClient, policy: Policy, candidate: ModelVersion) -> Standing:
    """Returns the current state of the approval of a candidate."""
    trail = [
        event for event in events(client, policy.models) if event["version"] == uri_of(candidate)
    ]
    return standing(policy.approval, candidate.tags.get("author", ""), trail, datetime.now(UTC))


def note_verdict(
    project: Project, version: str, verdict: Literal["approval", "rejection"], by: str, comment: str
) -> dict[str, Any]:
    """Notes in the audit trail that a person approves or rejects a candidate.

    Args:
        version: number of the candidate, or @challenger.
        by: name of the person; empty: git's user name in this clone.
        comment: the person's reason.

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
    name, known_as = person(project, by), account(project)
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


def _time(event: dict[str, str]) -> datetime:
    return datetime.fromisoformat(event["at"])
