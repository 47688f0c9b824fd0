"""People approve what the gate passed: enough of them, not its author alone, and in time."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import ROOT
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag
from prefect.exceptions import Pause

from flows.gate.approval import ApprovalForm
from flows.gate.fitness import refuse_unfit
from flows.gate.standing import Standing, standing
from flows.promote import approved
from flows.registry.champion_to_beat import ToBeat
from flows.registry.versions import POLICY
from ml.core.errors import UserError
from ml.promote.policy import ApprovalPolicy, load_policy

START = datetime(2026, 3, 2, 9, tzinfo=UTC)
ONE = ApprovalPolicy(approvers=1, author_alone=False, reproduced=False, timeout_hours=48)


def event(what: str, by: str, hours: float, comment: str = "") -> dict[str, str]:
    return {
        "what": what,
        "by": by,
        "at": (START + timedelta(hours=hours)).isoformat(),
        "comment": comment,
    }


DECIDED = event("decision", "gate", 0)


def verdict(
    *said: dict[str, str], policy: ApprovalPolicy = ONE, hours: float = 24
) -> tuple[str, str]:
    found = standing(policy, "Ada", [DECIDED, *said], START + timedelta(hours=hours))
    return found.verdict, found.words


@pytest.mark.parametrize(
    ("said", "expected", "words"),
    [
        ([], "waiting", "1 more must approve"),
        ([event("approval", "Rita", 1)], "approved", "Rita"),
        ([event("approval", "Ada", 1)], "waiting", "somebody else than Ada"),
        ([event("approval", "ada", 1)], "waiting", "somebody else than Ada"),
        ([event("approval", "Ada", 1), event("approval", "Rita", 2)], "approved", "Ada, Rita"),
        (
            [event("rejection", "Rita", 1, "blurs shoes")],
            "rejected",
            "Rita rejected it: blurs shoes",
        ),
        (
            [event("approval", "Rita", 1), event("rejection", "Ada", 2)],
            "rejected",
            "Ada rejected it",
        ),
        # The gate has judged the candidate again since the approval.
        ([event("approval", "Rita", 1), DECIDED], "waiting", "1 more"),
    ],
)
def test_enough_people_approve_and_one_rejects(
    said: list[dict[str, str]], expected: str, words: str
) -> None:
    found, reason = verdict(*said)
    assert found == expected
    assert words in reason


def test_the_same_person_twice_is_one_approver() -> None:
    two = ONE.model_copy(update={"approvers": 2})
    assert (
        verdict(event("approval", "Rita", 1), event("approval", "rita", 2), policy=two)[0]
        == "waiting"
    )
    assert (
        verdict(event("approval", "Rita", 1), event("approval", "Rolf", 2), policy=two)[0]
        == "approved"
    )


def test_with_accounts_one_person_under_two_names_is_one_approver() -> None:
    two = ONE.model_copy(update={"approvers": 2})
    first, second = (event("approval", name, 1) | {"account": "rita"} for name in ("Rita", "Rolf"))
    assert verdict(first, second, policy=two) == (
        "waiting",
        "1 more must approve it, under another name and account",
    )
    assert verdict(first, second | {"account": "rolf"}, policy=two)[0] == "approved"


def test_with_accounts_the_author_is_not_somebody_else_under_another_name() -> None:
    decided = DECIDED | {"account": "ada"}
    hers = event("approval", "Rita", 1) | {"account": "ada"}
    assert verdict(decided, hers)[1] == "somebody else than Ada, who made it, must approve it too"
    assert verdict(decided, hers | {"account": "rita"})[0] == "approved"
    # Prefect's page knows nobody: the account is that of the machine, and the name counts.
    assert verdict(decided, hers | {"form": "1/approval-0"})[0] == "approved"
    assert verdict(decided, event("approval", "\u0410da", 1) | {"account": "rita"})[0] == "waiting"


def test_the_policy_may_let_the_author_approve_alone_or_ask_nobody() -> None:
    assert (
        verdict(event("approval", "Ada", 1), policy=ONE.model_copy(update={"author_alone": True}))[
            0
        ]
        == "approved"
    )
    assert verdict(policy=ONE.model_copy(update={"approvers": 0}))[0] == "approved"


def test_time_out_rejects_but_what_was_approved_in_time_stays_so() -> None:
    assert verdict(hours=47)[0] == "waiting"
    assert verdict(hours=49) == ("rejected", "not approved within 48 hours of the gate's decision")
    assert verdict(event("approval", "Rita", 47), hours=500)[0] == "approved"


def test_an_approval_after_the_time_out_comes_too_late() -> None:
    assert verdict(event("approval", "Rita", 49), hours=50)[0] == "rejected"


def candidate(**tags: str) -> ModelVersion:
    listed = [
        ModelVersionTag(*tag)
        for tag in ({"gate": "passed", "gate_champion": "none", "dirty": "false"} | tags).items()
    ]
    return ModelVersion("candidates", "7", 0, tags=listed)


@pytest.mark.parametrize(
    ("tags", "changes", "words"),
    [
        ({}, {}, None),
        ({"gate": "refused"}, {}, "the gate refused it"),
        ({"gate": "refused"}, {"gate.mode": "dry-run"}, None),
        ({"gate": "refused", "dirty": "true"}, {"gate.mode": "dry-run"}, "the gate refused it"),
        ({"gate_champion": "models:/color-variants/3"}, {}, "stale"),
        ({}, {"approval.reproduced": True}, "nobody has tried"),
        ({"reproduced": "different (2026)"}, {"approval.reproduced": True}, "so far: different"),
        ({"reproduced": "equal bytes (2026)"}, {"approval.reproduced": True}, None),
    ],
)
def test_what_may_be_promoted_is_what_gate_and_policy_allow(
    tags: dict[str, str], changes: dict[str, object], words: str | None
) -> None:
    policy = load_policy(ROOT / POLICY)
    for name, value in changes.items():
        section, key = name.split(".")
        changed = getattr(policy, section).model_copy(update={key: value})
        policy = policy.model_copy(update={section: changed})
    one, run = candidate(**tags), "its run holds gate/decision.md"
    decided = {"verdict": one.tags["gate"], "champion": one.tags["gate_champion"]}
    if words is None:
        refuse_unfit(one, decided, ToBeat(None), policy, run)
        return
    with pytest.raises(UserError, match=words):
        refuse_unfit(one, decided, ToBeat(None), policy, run)


@pytest.mark.parametrize(
    "decided",
    [
        None,
        {"verdict": "refused", "champion": "none"},
        {"verdict": "passed", "champion": "models:/color-variants/3"},
    ],
)
def test_tags_that_say_another_thing_than_the_audit_trail_promote_nothing(
    decided: dict[str, str] | None,
) -> None:
    with pytest.raises(UserError, match="somebody has changed one of them"):
        refuse_unfit(candidate(), decided, ToBeat(None), load_policy(ROOT / POLICY), "there")


def test_a_name_in_disguise_on_the_form_is_not_noted_and_the_form_comes_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[tuple[str, str]] = []

    def ask(form: str, text: str, patience: int) -> ApprovalForm:
        shown.append((form, text))
        if form == "approval-1":
            raise Pause
        return ApprovalForm(name="\u0410da", verdict="approve", comment="")

    waiting = Standing("waiting", [], "1 more must approve it", 60)
    for name, fake in (
        ("ask", ask),
        ("answered_forms", lambda: ["approval-0"]),
        ("approval_of", lambda *_: waiting),
        ("approval_text", lambda *_: "what is decided"),
        ("note_answer", lambda *_: pytest.fail("it was noted")),
        ("runtime", SimpleNamespace(deployment=SimpleNamespace(id="1"))),
    ):
        monkeypatch.setattr(f"flows.promote.{name}", fake)
    policy: Any = None  # whatever it says
    with pytest.raises(Pause):
        approved(policy, policy, policy, candidate(), {})
    assert [form for form, _ in shown] == ["approval-0", "approval-1"]
    text = shown[1][1]
    assert "The last answer was not noted" in text
    assert "mixes letters of two scripts" in text
    assert text.endswith("what is decided")
