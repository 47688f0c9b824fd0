"""The flow `promote`: a candidate that the gate passed becomes the champion."""

from collections.abc import Callable
from typing import Any

from filelock import FileLock
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact
from prefect.context import FlowRunContext
from prefect.flow_runs import suspend_flow_run

from flows.gate.approval import ApprovalForm, Standing, approval_of, form_text, note_answer
from flows.local.environment import set_up
from flows.local.git import succeeds
from flows.local.project import Project, find_project
from flows.registry.audit_trail import note_event, person
from flows.registry.production import (
    LOCK,
    champion_without_record,
    copy_to_production,
    move_champion,
    refuse_second,
)
from flows.registry.tracking import connect, permitted
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    find_candidate,
    policy_of,
    refusal_of,
    uri_of,
    version_by_alias,
)
from ml.core.errors import UserError
from ml.promote.policy import Policy


@flow(flow_run_name="promote {version}", persist_result=True)
def promote(version: str = f"@{CHALLENGER}", by: str = "") -> dict[str, Any]:
    """Copies a candidate to the production model and points `champion` to it.

    Args:
        version: The candidate: a number such as 7, or @challenger for the newest.
        by: Who promotes it. Empty: the person that git knows here.

    Returns:
        {"model": URI of the production version, "candidate": URI, "replaced": version number or
        None}.
    """
    set_up()
    project = find_project()
    client = connect(project)
    policy = policy_of(project)
    names = policy.models
    candidate = find_candidate(client, names, version)
    died = champion_without_record(client, names, candidate)  # of an attempt that was killed
    if died is None:
        refuse_unfit(candidate, version_by_alias(client, names.production, CHAMPION), policy)
    approval = approved(client, policy, candidate)
    with FileLock(project.room / LOCK), permitted(project):
        promoted = died or make_champion(project, client, policy, candidate)
        replaced = promoted.tags["replaced"]
        facts = {"candidate": uri_of(candidate), "replaced": replaced, "approval": approval.words}
        note_event(client, promoted, "promotion", person(project, by), **facts)
    page = f"# Promoted\n\n`{uri_of(candidate)}` is now `models:/{names.production}@{CHAMPION}` (version {promoted.version})."
    create_markdown_artifact(page, key="promotion")
    get_run_logger().info("%s is the champion, from %s", uri_of(promoted), uri_of(candidate))
    return {
        "model": uri_of(promoted),
        "candidate": uri_of(candidate),
        "replaced": None if replaced == "none" else replaced,
    }


def make_champion(
    project: Project, client: MlflowClient, policy: Policy, candidate: ModelVersion
) -> ModelVersion:
    """The production version that `champion` points to afterwards; raises UserError where another was faster."""
    names = policy.models
    # Again: approval took its time.
    refuse_unfit(candidate, version_by_alias(client, names.production, CHAMPION), policy)
    copied = copy_to_production(client, names, candidate)
    refuse_second(client, names, copied)
    champion = version_by_alias(client, names.production, CHAMPION)
    # Once more: another clone may have promoted before the copy was made.
    refuse_unfit(candidate, champion, policy)
    tag_commit(project, copied, get_run_logger().warning)
    move_champion(
        client,
        names,
        str(copied.version),
        {"replaced": str(champion.version) if champion else "none"},
    )
    return client.get_model_version(names.production, copied.version)


def approved(client: MlflowClient, policy: Policy, candidate: ModelVersion) -> Standing:
    """The approval of a candidate. On a Prefect server the run suspends until people have filled in its form.

    Raises:
        UserError: it is rejected, or nobody has approved it and there is no page to ask on.
    """
    for (
        form
    ) in answered_forms():  # before the run suspended and began anew, in a process of its own
        ask(client, candidate, form, "", 1)
    standing = approval_of(client, policy, candidate)
    if standing.verdict == "waiting" and runtime.deployment.id:
        ask(
            client,
            candidate,
            f"approval-{len(answered_forms())}",
            form_text(candidate, standing),
            standing.seconds_left,
        )
    if standing.verdict == "approved":
        return standing
    hint = f". `variants approve {candidate.version} --by NAME --comment …` approves it"
    raise UserError(
        f"{uri_of(candidate)} cannot be promoted: {standing.words}{hint if standing.verdict == 'waiting' else ''}"
    )


def answered_forms() -> list[str]:
    """Keys of the forms that this run has suspended for, and that were answered."""
    context = FlowRunContext.get()
    keys = context.flow_run.empirical_policy.pause_keys if context and context.flow_run else None
    return sorted(keys or [])


def ask(client: MlflowClient, candidate: ModelVersion, form: str, text: str, patience: int) -> None:
    """Suspends the run until its form is filled in; where it has been, notes the answer, once."""
    fields = ApprovalForm.with_initial_data(description=text)
    answer = suspend_flow_run(wait_for_input=fields, timeout=max(1, patience), key=form)
    note_answer(client, candidate, answer, f"{runtime.flow_run.id}/{form}")


def refuse_unfit(candidate: ModelVersion, champion: ModelVersion | None, policy: Policy) -> None:
    """Raises UserError where the gate did not pass the candidate, or compared it with another champion than today's, or where
    the policy asks for a reproduction and there is none.
    """
    refusal = refusal_of(candidate, policy)
    if refusal:
        raise UserError(
            f"{uri_of(candidate)} cannot be promoted: {refusal}; its run in MLflow holds gate/decision.md"
        )
    if policy.approval.reproduced and not candidate.tags.get("reproduced", "").startswith("equal"):
        said = candidate.tags.get("reproduced", "nobody has tried")
        raise UserError(
            f"{uri_of(candidate)} cannot be promoted: the policy asks that `variants reproduce {uri_of(candidate)}` has made "
            f"it again; so far: {said}"
        )
    today = uri_of(champion) if champion else "none"
    if champion and champion.tags.get("candidate") == uri_of(candidate):
        raise UserError(f"{uri_of(candidate)} is the champion already")
    compared = candidate.tags["gate_champion"]
    if compared != today:
        raise UserError(
            f"{uri_of(candidate)} was compared with the champion {compared}, but today's is {today}: the decision is stale; "
            "run `variants retrain` again on current data"
        )


def tag_commit(project: Project, version: ModelVersion, warn: Callable[[str], None]) -> None:
    """Gives the commit that a production version was made from its git tag `model-vN`.

    The registry is what counts: where this clone has not got the commit, or has the tag already,
        nothing is lost but the
    tag, which `warn` is told.
    """
    tag, commit = f"model-v{version.version}", version.tags["commit"]
    try:
        project.git("cat-file", "-e", f"{commit}^{{commit}}")
        if not succeeds(project.root, "show-ref", "--verify", f"refs/tags/{tag}"):
            project.git("update-ref", f"refs/tags/{tag}", commit)
        elif project.git("rev-parse", f"refs/tags/{tag}^{{commit}}") != commit:
            warn(
                f"the git tag {tag} is there already and points elsewhere than {uri_of(version)} does ({commit}): left as it is"
            )
    except UserError as error:
        warn(
            f"no git tag {tag}: this clone has not got the commit of {uri_of(version)}; fetch {version.tags['branch']} ({error})"
        )
