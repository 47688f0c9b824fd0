"""The flow `retrain`: shop → snapshot → the stages of dvc.yaml → MLflow → registry → gate."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows.display.prefect_artifacts import decision_page, metric_table, stage_log
from flows.gate.evidence import gather_evidence
from flows.local.environment import set_up
from flows.local.overrides import apply_overrides
from flows.local.pipeline import Stage, load_stages, run_stage
from flows.local.project import Project, find_project
from flows.local.recipe import recipe
from flows.local.snapshots import absolute, import_shop_into, restore_snapshot, track_snapshot
from flows.local.worktree import Worktree
from flows.registry.audit_trail import note_event
from flows.registry.dead_runs import salvage
from flows.registry.retraining import alone_with, retraining
from flows.registry.run_record import lineage_tags, log_model, model_card, model_id, record
from flows.registry.tracking import EXPERIMENT, LiveHistory, connect, run_page
from flows.registry.versions import (
    CHAMPION,
    challenge,
    policy_of,
    register,
    run_of,
    uri_of,
    version_by_alias,
    version_of_recipe,
)
from ml.core.errors import UserError
from ml.core.paths import TRAINED
from ml.promote.decision import Decision
from ml.promote.gate import decide
from ml.promote.policy import ModelNames, Policy

RETRY_DELAY = 10  # seconds before a crashed stage is tried again


def run_name() -> str:
    """The flow run's name on Prefect's page."""
    return f"retrain on {runtime.flow_run.parameters['source'] or 'the snapshot of the commit'}"


@flow(flow_run_name=run_name)
def retrain(
    source: str = "",
    overrides: dict[str, Any] = {},  # noqa: B006 (never changed; a form shows what it may hold)
    allow_dirty: bool = False,
) -> dict[str, Any]:
    """Trains a model on a shop, registers it as a candidate and lets the gate decide about it.

    Args:
        source: Folder or fsspec URL of the shop. Empty: the snapshot that the current commit points
            to.
        overrides: Params of params.yaml to change for this run, such as {"train.epochs": 3}.
        allow_dirty: Run although the checkout holds uncommitted changes. The model can then never
            be promoted.

    Returns:
        {"model": URI of the version, "new": whether it was made now, "passed": the gate's word,
        "run": MLflow run id}.
    """
    set_up()
    log = get_run_logger().info
    project = find_project()
    client = connect(project)
    policy = policy_of(project)
    with retraining(project, client, allow_dirty, show_refusal) as made:
        worktree = made.worktree
        apply_overrides(worktree.root, overrides)
        snapshot = take_snapshot(project, worktree, absolute(source))
        worktree.commit(f"data: snapshot {snapshot[:12]} of {source or 'this commit'}")
        made_by = recipe(worktree.root)
        worktree.note(recipe=made_by)
        with nullcontext() if worktree.dirty else alone_with(project, made_by, log):
            salvage(project, client, worktree, made_by, log)
            known = None if worktree.dirty else find_made(client, policy.models, made_by)
            if known:
                log(f"nothing has changed since {uri_of(known)} was made: it is the result")
                passed = standing_of(project, client, policy, worktree.root, known)
                return result(known, False, passed)
            made.run_id = start_run(client, worktree)
            worktree.note(recipe=made_by, run=made.run_id)
            run_stages(client, worktree.root, made.run_id)
            worktree.commit(f"retrain: {worktree.name}")
            tags = lineage_tags(worktree.root, made_by, snapshot, worktree.dirty)
            made.version = record_and_register(
                project, client, policy.models, worktree.root, made.run_id, source, tags
            )
            decision = gate(project, client, policy, worktree.root, made.version)
        client.set_terminated(made.run_id)
        link = run_page(project, client, made.run_id)
        create_link_artifact(link, key="mlflow-run", link_text="the run in MLflow")
        return result(made.version, True, decision.passed)


def result(version: ModelVersion, new: bool, passed: bool) -> dict[str, Any]:
    """What the flow returns."""
    return {"model": uri_of(version), "new": new, "passed": passed, "run": run_of(version)}


def show_refusal(refusal: UserError) -> None:
    """Leaves a refusal of bad input on the flow run's page."""
    create_markdown_artifact(f"# Refused\n\n```\n{refusal}\n```\n", key="refusal")


def find_made(client: MlflowClient, names: ModelNames, made_by: str) -> ModelVersion | None:
    """The candidate that this recipe has made before; it is the challenger if none is newer."""
    known = version_of_recipe(client, names.candidates, made_by)
    if known:
        challenge(client, known)  # a run that was killed right after registering did not do it
    return known


@task(task_run_name="snapshot", cache_policy=NO_CACHE)
def take_snapshot(project: Project, worktree: Worktree, source: str) -> str:
    """Imports the shop into the workspace's data/snapshot, or brings back the snapshot of its commit; returns its id."""
    log = stage_log("snapshot")
    if not source:
        return restore_snapshot(worktree.root, log)
    products = import_shop_into(worktree.root, source, log)
    return track_snapshot(project, worktree.root, source, products, log)


@task(cache_policy=NO_CACHE)
def stage(client: MlflowClient, root: Path, run_id: str, one: Stage) -> str:
    """Runs one stage of dvc.yaml in the workspace; returns "computed" or "from the cache"."""
    history = TRAINED / "history.csv"
    trains = history.as_posix() in one.outs
    with LiveHistory(client, run_id, root / history).following() if trains else nullcontext():
        cached = run_stage(root, one, stage_log(one.name))
    return "from the cache" if cached else "computed"


def run_stages(client: MlflowClient, root: Path, run_id: str) -> None:
    """One Prefect task for each stage of dvc.yaml, waiting for the stages that it reads from."""
    states: dict[str, Any] = {}
    for one in load_stages(root):
        configured: Task[..., str] = stage.with_options(
            name=one.name,
            task_run_name=one.name,
            description=one.desc,
            retries=one.retries,
            retry_delay_seconds=RETRY_DELAY,
            retry_condition_fn=crashed,
            timeout_seconds=one.timeout,
        )
        # One after the other in this thread: DVC lets only one stage at a time run in a checkout.
        upstream = [states[name] for name in one.upstream]
        state: Any = configured(client, root, run_id, one, wait_for=upstream, return_state=True)
        state.result()
        states[one.name] = state


def crashed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Whether trying again may help: a crash may pass, a refusal of bad input will not."""
    try:
        state.result()
    except UserError:
        return False
    except Exception:
        return True
    return False


@task(task_run_name="open MLflow run", cache_policy=NO_CACHE)
def start_run(client: MlflowClient, worktree: Worktree) -> str:
    """Opens the MLflow run that the curves of the training grow in; returns its id."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    tags = {"retrain": worktree.name, "prefect_flow_run": str(runtime.flow_run.id)}
    run = client.create_run(experiment.experiment_id, run_name=worktree.name, tags=tags)
    return str(run.info.run_id)


@task(task_run_name="record and register", cache_policy=NO_CACHE)
def record_and_register(
    project: Project,
    client: MlflowClient,
    names: ModelNames,
    root: Path,
    run_id: str,
    source: str,
    tags: dict[str, str],
) -> ModelVersion:
    """Records the finished pipeline in its run and registers its model as a candidate."""
    log = get_run_logger().info
    log("packaging the model")
    # The model comes first: MLflow asks for every metric that a run has by then.
    model = log_model(project, client, run_id, root, log)
    metrics = record(client, run_id, model, root, source or str(project.root), tags)
    words = "Test split: unseen brands, beside naive baselines"
    create_table_artifact(metric_table(metrics), key="metrics", description=words)
    card = model_card(root, names.production, metrics, tags)
    client.log_text(run_id, card, "model_card.md")
    tags = tags | {"threshold": repr(metrics["model"]["threshold"])}
    return register(client, names.candidates, model_id(model), run_id, tags, card)


@task(task_run_name="gate", cache_policy=NO_CACHE)
def gate(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> Decision:
    """Decides whether the version may be promoted, and leaves the decision wherever people look.

    It is kept in the version's run, on the version as tags, in the audit trail and on Prefect's
    page.
    """
    logger = get_run_logger()
    champion = version_by_alias(client, policy.models.production, CHAMPION)
    evidence = gather_evidence(project, policy, root, version, champion, logger.info)
    decision = decide(policy.gate, evidence)
    page, against = decision_page(decision), decision.champion_model or "none"
    client.log_dict(run_of(version), decision.to_json(), "gate/decision.json")
    client.log_text(run_of(version), page, "gate/decision.md")
    tags = {
        "gate": decision.verdict,
        "gate_champion": against,
        "gate_failed": ", ".join(check.name for check in decision.failed) or "none",
        "gate_retriable": str(decision.retriable).lower(),
    }
    for name, value in tags.items():
        client.set_model_version_tag(version.name, version.version, name, value)
    facts = {"verdict": decision.verdict, "champion": against, "run": run_of(version)}
    note_event(client, version, "decision", "gate", **facts)
    described = f"{uri_of(version)}: {decision.verdict}"
    create_markdown_artifact(page, key="gate-decision", description=described)
    reasons = "".join(f"; not so: {check.words}" for check in decision.failed)
    logger.info("gate: %s%s", decision.verdict, reasons)
    return decision


def standing_of(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> bool:
    """Whether the gate lets an existing version pass.

    It decides anew where the champion has changed since, or where a check failed that another time
    or machine may pass, such as one of the serving check.
    """
    champion = version_by_alias(client, policy.models.production, CHAMPION)
    today = uri_of(champion) if champion else "none"
    serves = champion is not None and champion.tags.get("candidate") == uri_of(version)
    # Versions from before this tag was written are asked about again if they were refused.
    refused = version.tags.get("gate") == "refused"
    retriable = refused and version.tags.get("gate_retriable", "true") == "true"
    if not serves and (retriable or version.tags.get("gate_champion") != today):
        run_stages(client, root, run_of(version))  # from the cache: they bring the pairs back
        return bool(gate(project, client, policy, root, version).passed)
    return version.tags.get("gate") == "passed"
