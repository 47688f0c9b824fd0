"""The flow `promote`: makes a candidate that the gate has passed the champion."""

from collections.abc import Callable
from typing import Any

from filelock import FileLock
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_runs import suspend_flow_run

from flows.display.approval_form import approval_text
from flows.display.states import refusals_are, rename
from flows.gate.approval import ApprovalForm, note_answer
from flows.gate.fitness import refuse_unfit_now
from flows.gate.standing import Standing, approval_of
from flows.local.environment import set_up
from flows.local.git import succeeds
from flows.local.markdown import plain
from flows.local.project import Project, find_project
from flows.registry.audit_trail import IMPACT, decision_on_record, note_event
from flows.registry.description import describe
from flows.registry.outside_move import notice
from flows.registry.people import PersonName, account, folded, person, refusal_of_name, shown
from flows.registry.policy_on_record import differs_here, policy_on_record
from flows.registry.production import (
    LOCK,
    champion_without_record,
    copy_to_production,
    move_champion,
    refuse_second,
)
from flows.registry.tracking import connect, permitted
from flows.registry.trail_check import refuse_gaps
from flows.registry.verified_files import FILES, digest_on_record, verify
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    find_candidate,
    policy_of,
    uri_of,
    version_by_number,
)
from ml.core.errors import UserError
from ml.promote.policy import Policy


@flow(flow_run_name="promote {version}", persist_result=True)
@refusals_are("Not promoted")
def promote(by: PersonName, version: int | str = f"@{CHALLENGER}") -> dict[str, Any]:
    """Copies a candidate to the production model and points `champion` to it.

    Args:
        by: Your name, for the audit trail. Whoever approves in this run's form is the promoter
            instead.
        version: The candidate: a number such as 7, or @challenger for the newest.

    Returns:
        {"model": URI of the production version, "candidate": URI of the candidate, "replaced":
        number of the version that was the champion before, or None}.

    Raises:
        UserError: there is no such candidate, or it may not be promoted.
    """
    set_up()
    project = find_project()
    starter = person(project, by)
    client = connect(project)
    names = policy_of(project).models
    refuse_gaps(project, client, names)
    notice(project, client, names)
    candidate = find_candidate(client, names, str(version))
    counts = policy_on_record(project, candidate, decision_on_record(client, candidate))
    differs = differs_here(project, counts)
    if differs:
        get_run_logger().warning(differs)
    policy = counts.policy
    # An attempt that died may have moved the alias already; only its event is missing then.
    moved = champion_without_record(client, names, candidate)
    if moved is None:
        refuse_unfit_now(client, policy, candidate)
    known_as = account(project)
    approval, approver = approved(project, client, policy, candidate, known_as)
    with FileLock(project.room / LOCK), permitted(project):
        promoted = moved or make_champion(project, client, policy, candidate)
        replaced = promoted.tags["replaced"]
        facts = {"candidate": uri_of(candidate), "replaced": replaced, "approval": approval.words}
        facts |= {FILES: digest_on_record(client, candidate) or ""}
        measured = (decision_on_record(client, candidate) or {}).get(IMPACT)
        facts |= {IMPACT: measured} if measured else {}
        facts |= counts.facts(waivers(client, policy, candidate, approval))
        facts |= known_as | ({"started_by": starter} if approver else {})
        who = approver or starter
        note_event(client, promoted, "promotion", who, also=names.candidates, **facts)
        earlier = version_by_number(client, names.production, replaced)
        describe(client, names, candidate, promoted, *([earlier] if earlier else []))
    champion = f"`models:/{names.production}@{CHAMPION}` (version {promoted.version})"
    page = f"# Promoted\n\n`{uri_of(candidate)}` is now {champion}."
    create_markdown_artifact(page, key="promotion")
    get_run_logger().info("%s is the champion, from %s", uri_of(promoted), uri_of(candidate))
    return {
        "model": uri_of(promoted),
        "candidate": uri_of(candidate),
        "replaced": None if replaced == "none" else replaced,
    }


def waivers(
    client: MlflowClient, policy: Policy, candidate: ModelVersion, approval: Standing
) -> list[str]:
    """Returns in words what the policy lets pass that it would otherwise have refused."""
    decided, found = decision_on_record(client, candidate), []
    if decided and decided["verdict"] != "passed":
        reasons = decided.get("reasons", "its reasons are not on record")
        found.append(f"mode dry-run: the gate refused it ({reasons})")
    if not policy.approval.approvers:
        found.append("approvers 0: nobody had to approve it")
    elif {folded(name) for name in approval.approvers} == {
        folded(candidate.tags.get("author", ""))
    }:
        found.append("author_alone: nobody but its author approved it")
    return found


def make_champion(
    project: Project, client: MlflowClient, policy: Policy, candidate: ModelVersion
) -> ModelVersion:
    """Copies a candidate to the production model and points `champion` to the copy.

    Returns:
        The new production version.

    Raises:
        UserError: the champion has changed since the gate's decision, or another promotion that
            replaces the same champion is running.
    """
    names = policy.models
    # Checked again: people may have taken long to approve.
    refuse_unfit_now(client, policy, candidate)
    verify(client, candidate)
    copied = copy_to_production(client, names, candidate)
    refuse_second(client, names, copied)
    # Checked once more: another clone may have promoted before the copy was made.
    to_beat = refuse_unfit_now(client, policy, candidate)
    tag_commit(project, copied, get_run_logger().warning)
    replaced = str(to_beat.version.version) if to_beat.version else "none"
    move_champion(client, names, str(copied.version), {"replaced": replaced})
    return client.get_model_version(names.production, copied.version)


def approved(
    project: Project,
    client: MlflowClient,
    policy: Policy,
    candidate: ModelVersion,
    known_as: dict[str, str],
) -> tuple[Standing, str]:
    """Returns the approval of a candidate, and who approved it last in a form of this run, or "".

    If the approval is waiting and the run was started on Prefect's page, the run suspends until
    somebody fills in its form.

    Args:
        known_as: facts about this process for the audit trail; see `flows.registry.people.account`.

    Raises:
        UserError: the candidate is rejected, or it is not approved and the run cannot show a form.
    """
    approver, refusal = "", None
    # After a form is filled in, the flow begins anew in another process, which reads the answers.
    for form in answered_forms():
        answer = ask(form, "", 1)
        refusal = refusal_of_name(answer.name)
        if refusal is None:
            note_answer(client, candidate, answer, f"{runtime.flow_run.id}/{form}", known_as)
            describe(client, policy.models, candidate)
            approver = shown(answer.name) if answer.verdict == "approve" else approver
    standing = approval_of(client, policy, candidate)
    if standing.verdict == "waiting" and runtime.deployment.id:
        text = approval_text(project, client, candidate, standing)
        again = f"**The last answer was not noted: it {plain(refusal)}.**\n\n" if refusal else ""
        ask(f"approval-{len(answered_forms())}", again + text, standing.seconds_left)
    if standing.verdict == "approved":
        return standing, approver
    hint = ""
    if standing.verdict == "waiting":
        hint = f". `variants approve {candidate.version} --by NAME --comment …` approves it"
    raise UserError(f"{uri_of(candidate)} cannot be promoted: {standing.words}{hint}")


def answered_forms() -> list[str]:
    """Returns the keys of the forms that this run has suspended for, in their order."""
    context = FlowRunContext.get()
    keys = context.flow_run.empirical_policy.pause_keys if context and context.flow_run else None
    return sorted(keys or [], key=lambda key: (len(key), key))


def ask(form: str, text: str, patience: int) -> ApprovalForm:
    """Returns the answer to a form; suspends the run until there is one.

    Args:
        form: key of the form.
        text: Markdown above the form.
        patience: seconds after which the run fails.
    """
    fields = ApprovalForm.with_initial_data(description=text)
    try:
        return suspend_flow_run(wait_for_input=fields, timeout=max(1, patience), key=form)
    except Pause as pause:
        if pause.state:
            rename(pause.state, "Waiting for approval")
        raise


def tag_commit(project: Project, version: ModelVersion, warn: Callable[[str], None]) -> None:
    """Sets the git tag `model-vN` at the commit that production version N was made from.

    The registry alone decides which version serves, so a promotion does not fail without this tag.

    Args:
        warn: called with a line if this clone does not have the commit, or if the tag is at another
            commit.
    """
    tag, commit = f"model-v{version.version}", version.tags.get("commit", "")
    try:
        project.git("cat-file", "-e", f"{commit}^{{commit}}")
        if not succeeds(project.root, "show-ref", "--verify", f"refs/tags/{tag}"):
            project.git("update-ref", f"refs/tags/{tag}", commit)
        elif project.git("rev-parse", f"refs/tags/{tag}^{{commit}}") != commit:
            warn(
                f"the git tag {tag} is not at the commit of {uri_of(version)} ({commit}): it stays "
                f"as it is; to move it, run `git tag --force {tag} {commit}`"
            )
    except UserError as error:
        warn(
            f"no git tag {tag}: this clone does not have the commit of {uri_of(version)}; fetch "
            f"{version.tags.get('branch', 'the branch that it was made on')} ({error})"
        )
