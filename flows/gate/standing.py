"""Whether enough people approve a candidate, by the audit trail; it needs no Prefect."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import events
from flows.registry.people import folded, identities
from flows.registry.versions import uri_of
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
    return _now(policy, candidate, _about(client, policy, candidate))


def approval_with(
    client: MlflowClient, policy: Policy, candidate: ModelVersion, by: str, known_as: dict[str, str]
) -> Standing:
    """Returns the state that the approval of a candidate would have if a person approved it now.

    Args:
        by: the person's name.
        known_as: facts about the person; see `flows.registry.people.account`.
    """
    trail = _about(client, policy, candidate)
    at = datetime.now(UTC).isoformat()
    approval = {"at": at, "what": "approval", "version": uri_of(candidate), "by": by} | known_as
    return _now(policy, candidate, [*trail, approval])


def _about(client: MlflowClient, policy: Policy, candidate: ModelVersion) -> list[dict[str, str]]:
    known = events(client, policy.models)
    return [event for event in known if event["version"] == uri_of(candidate)]


def _now(policy: Policy, candidate: ModelVersion, trail: list[dict[str, str]]) -> Standing:
    author = candidate.tags.get("author", "")
    return standing(policy.approval, author, trail, datetime.now(UTC))


def _time(event: dict[str, str]) -> datetime:
    return datetime.fromisoformat(event["at"])
