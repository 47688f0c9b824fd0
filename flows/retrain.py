"""The flow `retrain`: shop → snapshot → the stages of dvc.yaml → MLflow → registry → gate."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task

from flows.display.prefect_artifacts import decision_page, figure_table, stage_log
from flows.gate.evidence import judge
from flows.local.environment import set_up
from flows.local.outages import outage, unanswered
from flows.local.pipeline import Stage, load_stages, run_stage
from flows.local.project import Project, find_project
from flows.local.recipe import recipe
from flows.local.snapshots import absolute, import_shop_into, restore_snapshot, track_snapshot
from flows.local.worktree import Worktree, open_worktree
from flows.registry.audit_trail import note_event
from flows.registry.dead_runs import salvage
from flows.registry.run_record import lineage_tags, log_model, model_card, model_id, record
from flows.registry.tracking import EXPERIMENT, LiveHistory, answers, connect, run_page
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
from ml.promote.gate import SERVED
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
    """Trains a model on a shop, registers it as a candidate and asks the gate whether it may replace the champion.

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
    logger = get_run_logger()
    project = find_project()
    client = connect(project)
    policy = policy_of(project)
    names = policy.models
    worktree = open_worktree(project, allow_dirty)
    keep_branch = False
    lost = False
    run_id = None
    try:
        apply_overrides(worktree.root, overrides)
        snapshot = take_snapshot(project, worktree, absolute(source))
        worktree.commit(f"data: snapshot {snapshot[:12]} of {source or 'this commit'}")
        made_by = recipe(worktree.root)
        worktree.note(recipe=made_by)
        salvage(project, client, worktree, made_by, logger.info)
        existing = None if worktree.dirty else version_of_recipe(client, names.candidates, made_by)
        if existing:
            logger.info("nothing has changed since %s was made: it is the result", uri_of(existing))
            challenge(
                client, existing
            )  # a run that was killed right after registering has not come to it
            passed = standing_of(project, client, policy, worktree.root, existing)
            return {
                "model": uri_of(existing),
                "new": False,
                "passed": passed,
                "run": run_of(existing),
            }
        run_id = start_run(client, worktree)
        worktree.note(recipe=made_by, run=run_id)
        run_stages(client, worktree.root, run_id)
        worktree.commit(f"retrain: {worktree.name}")
        tags = lineage_tags(worktree.root, made_by, snapshot, worktree.dirty)
        version = enlist(
            project, client, names, worktree.root, run_id, source or str(project.root), tags
        )
        keep_branch = True
        decision = gate(project, client, policy, worktree.root, version)
        client.set_terminated(run_id)
        create_link_artifact(
            run_page(project, client, run_id), key="mlflow-run", link_text="the run in MLflow"
        )
        return {"model": uri_of(version), "new": True, "passed": decision["passed"], "run": run_id}
    except UserError as refusal:
        if outage(refusal):
            lost = True
            raise
        create_markdown_artifact(f"# Refused\n\n```\n{refusal}\n```\n", key="refusal")
        if run_id:
            client.delete_run(run_id)
        raise
    except BaseException as error:
        gone = isinstance(error, Exception) and not answers(project)
        words = unanswered() if gone else outage(error)
        lost = words is not None
        if words:
            raise UserError(words) from error
        if run_id:
            client.set_terminated(run_id, "FAILED")
        raise
    finally:
        if lost:
            worktree.leave()  # the next run of this recipe ends the run in MLflow, and clears up
        else:
            worktree.close(keep_branch)


def apply_overrides(root: Path, overrides: dict[str, Any]) -> None:
    """Changes params in the checkout's params.yaml.

    Raises:
        UserError: there is no such param.
    """
    if not overrides:
        return
    params = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    for name, value in overrides.items():
        *path, last = name.split(".")
        place = params
        for part in path:
            place = place.get(part) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise UserError(
                f"params.yaml has no param '{name}'; a param is named like train.epochs"
            )
        place[last] = value
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")


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
def enlist(
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
    model = log_model(
        project, client, run_id, root, log
    )  # first: MLflow asks for every metric that a run has by then
    metrics = record(client, run_id, model, root, source, tags)
    table = figure_table(metrics)
    create_table_artifact(
        table, key="figures", description="Test split: unseen brands, beside naive baselines"
    )
    card = model_card(root, names.production, metrics, tags)
    client.log_text(run_id, card, "model_card.md")
    tags = tags | {"threshold": repr(metrics["threshold"])}
    return register(client, names.candidates, model_id(model), run_id, tags, card)


@task(task_run_name="gate", cache_policy=NO_CACHE)
def gate(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> dict[str, Any]:
    """Asks the gate whether the version may be promoted, and leaves the decision wherever people look."""
    logger = get_run_logger()
    champion = version_by_alias(client, policy.models.production, CHAMPION)
    decision = judge(project, policy, root, version, champion, logger.info)
    page = decision_page(decision)
    client.log_dict(run_of(version), decision, "gate/decision.json")
    client.log_text(run_of(version), page, "gate/decision.md")
    verdict = "passed" if decision["passed"] else "refused"
    failed = [check for check in decision["checks"] if not check["passed"]]
    against = decision["champion_model"] or "none"
    refusing = ", ".join(check["name"] for check in failed) or "none"
    for name, value in {"gate": verdict, "gate_champion": against, "gate_failed": refusing}.items():
        client.set_model_version_tag(version.name, version.version, name, value)
    note_event(
        client, version, "decision", "gate", verdict=verdict, champion=against, run=run_of(version)
    )
    create_markdown_artifact(page, key="gate-decision", description=f"{uri_of(version)}: {verdict}")
    logger.info("gate: %s%s", verdict, "".join(f"; not so: {check['words']}" for check in failed))
    return decision


def standing_of(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> bool:
    """Whether the gate lets an existing version pass.

    It is asked anew where the champion has changed since, or where the version could not be served
    as it should, which may have been the machine's fault.
    """
    champion = version_by_alias(client, policy.models.production, CHAMPION)
    today = uri_of(champion) if champion else "none"
    serves = champion is not None and champion.tags.get("candidate") == uri_of(version)
    unserved = SERVED & set(version.tags.get("gate_failed", "").split(", "))
    if not serves and (unserved or version.tags.get("gate_champion") != today):
        run_stages(
            client, root, run_of(version)
        )  # all from the cache: they bring the test pairs back
        return bool(gate(project, client, policy, root, version)["passed"])
    return version.tags.get("gate") == "passed"
