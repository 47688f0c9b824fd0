"""The flow `retrain`: shop → snapshot → stages of dvc.yaml → MLflow → registry → gate."""

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from prefect.utilities.urls import url_for
from pydantic import Field

from flows.display.prefect_artifacts import decision_page, metric_table, stage_log
from flows.display.states import refusals_are, refused_by_gate
from flows.gate.evidence import gather_evidence
from flows.gate.impact import impact_of
from flows.lessons import lessons
from flows.local.dvc_config import default_remote
from flows.local.environment import set_up
from flows.local.markdown import block, code, plain
from flows.local.needed_objects import note_needs, outputs_in
from flows.local.overrides import apply_overrides
from flows.local.params_schema import refuse_wrong_params
from flows.local.pipeline import Stage, load_stages, run_stage
from flows.local.project import Project, find_project
from flows.local.recipe import recipe
from flows.local.remote_files import push
from flows.local.scratch import scratch
from flows.local.servers import PREFECT_PORT
from flows.local.snapshots import absolute, import_shop_into, restore_snapshot
from flows.local.source import Source
from flows.local.worktree import Worktree
from flows.registry.audit_trail import IMPACT, WORDS, decision_on_record, note_event
from flows.registry.champion_to_beat import champion_to_beat
from flows.registry.dead_runs import salvage
from flows.registry.description import describe
from flows.registry.experiment import open_experiment
from flows.registry.lineage import log_lineage
from flows.registry.links import run_page
from flows.registry.machine_metrics import watching_machine
from flows.registry.model_files import unusable
from flows.registry.outside_move import notice
from flows.registry.people import account
from flows.registry.policy_on_record import BRANCH, branch_of
from flows.registry.production import is_copy
from flows.registry.report_header import log_report
from flows.registry.retraining import alone_with, retraining
from flows.registry.run_record import lineage_tags, log_model, model_card, model_id, record
from flows.registry.run_summary import first_name, first_tags, summarize
from flows.registry.snapshot_record import log_diff
from flows.registry.tracking import LiveHistory, connect
from flows.registry.verified_files import DECISION, FILES, digest_of, hashes_of
from flows.registry.versions import (
    challenge,
    edited,
    policy_of,
    register,
    run_of,
    uri_of,
    version_of_recipe,
)
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.files import read_json, replacing
from ml.core.params import profile_params, read_params
from ml.core.paths import PARAMS, REFUSED_ROWS, TRAINED, VALIDATED
from ml.promote.decision import Decision
from ml.promote.gate import decide
from ml.promote.impact import ImpactSummary
from ml.promote.policy import ModelNames, Policy
from ml.promote.words import gains, in_words, moved_words, outcome, sentences
from ml.snapshot.shop_paths import refuse_credentials

COMPUTED = "computed"  # what a stage's task returns if its outputs were not in the cache
REFUSED_PAGE = "refused.html"  # in `.variants`: the contract page of the last refusal
RETRY_DELAY = 10  # seconds before a crashed stage is tried again
PUSH_DELAYS = [5.0, 30.0]  # seconds before an outage of the DVC remote is looked at again


def run_name() -> str:
    """Returns the name of the flow run on Prefect's page."""
    source = without_credentials(runtime.flow_run.parameters["source"])
    return f"retrain on {source or 'the snapshot of the commit'}"


def profiles() -> list[str]:
    """Returns the names of the profiles in params.yaml, after the empty one for none."""
    return ["", *(read_params(Path(__file__).parents[1] / PARAMS).get("profiles") or {})]


Profile = Annotated[str, Field(json_schema_extra={"enum": list(profiles())})]


@flow(flow_run_name=run_name)
@refusals_are("Refused input")
def retrain(
    source: Source = "",
    profile: Profile = "",
    overrides: dict[str, Any] = {},  # noqa: B006 (never changed; a form shows what it may hold)
    allow_dirty: bool = False,
    columns: dict[str, str] = {},  # noqa: B006 (as above)
    corrections: str = "",
    annotations: str = "",
) -> dict[str, Any]:
    """Trains a model on a shop, registers it as a candidate and lets the gate decide about it.

    Args:
        source: Folder or fsspec URL of the shop, without password or token. Empty: the snapshot
            that the current commit points to.
        profile: Params under `profiles` in params.yaml. Empty: none.
        overrides: Params of params.yaml to change for this run, such as {"train.epochs": 3}; they
            count more than the profile.
        allow_dirty: Run although the checkout holds uncommitted changes. The model can then never
            be promoted.
        columns: The shop's names of columns and the public format's, such as {"sku": "product_id"}.
        corrections: Name of the catalogue whose corrections become annotated pairs, or "none".
            Empty: the catalogue that was grouped from this source, if any.
        annotations: Name of the catalogue whose annotations become annotated pairs, or "none".
            Empty: as above.

    Returns:
        {"model": URI of the version, "new": whether this run made it, "passed": whether the gate
        lets it pass, "run": MLflow run id, or None if somebody deleted the run, "only_here": what
        the DVC remote did not get, in words; empty if it got all, or if there is none}.

    Raises:
        UserError: a refusal of bad input, or an outage.
    """
    set_up()
    refuse_credentials(source)
    log = get_run_logger().info
    project = find_project()
    client = connect(project)
    policy = policy_of(project)
    overrides = (profile_params(profile, project.root / PARAMS) if profile else {}) | overrides
    with retraining(project, client, allow_dirty, partial(show_refusal, project)) as made:
        worktree = made.worktree
        apply_overrides(worktree.root, overrides)
        refuse_wrong_params(worktree.root, read_params(worktree.root / PARAMS))
        said = corrections, annotations
        taken = take_snapshot(
            project, worktree, absolute(source), columns, *said, return_state=True
        )
        snapshot = taken.result()
        worktree.commit(f"data: snapshot {snapshot[:12]} of {source or 'this commit'}")
        made_by = recipe(worktree.root)
        worktree.note(recipe=made_by)
        with nullcontext() if worktree.dirty else alone_with(project, made_by, log):
            salvage(project, client, worktree, made_by, log)
            known = None if worktree.dirty else find_made(client, policy.models, made_by, log)
            if known:
                log(f"nothing has changed since {uri_of(known)} was made: it is the result")
                passed = standing_of(project, client, policy, worktree.root, known)
                return result(client, known, False, passed)
            made.run_id = start_run(project, client, worktree, source)
            worktree.note(recipe=made_by, run=made.run_id)
            run_stages(client, worktree.root, made.run_id)
            worktree.commit(f"retrain: {worktree.name}")
            note_needs(project, worktree.root, log)
            tags = lineage_tags(worktree.root, made_by, snapshot, worktree.dirty)
            made.version = record_and_register(
                project, client, policy.models, worktree.root, made.run_id, source, tags
            )
            decision = gate(project, client, policy, worktree.root, made.version)
            only_here = keep_elsewhere(worktree.root, snapshot)
        client.set_terminated(made.run_id)
        return result(client, made.version, True, decision.passed, only_here)


def result(
    client: MlflowClient, version: ModelVersion, new: bool, passed: bool, only_here: str = ""
) -> Any:
    """Returns the result of the flow `retrain`, in a state of its own if the gate refused."""
    run = run_of(client, version)
    found = {"model": uri_of(version), "new": new, "passed": passed, "run": run}
    found |= {"only_here": only_here}
    if passed:
        return found
    decided = decision_on_record(client, version) or {}
    return refused_by_gate(found, f"{uri_of(version)}: {decided.get('reasons', 'refused')}")


def show_refusal(project: Project, root: Path, refusal: UserError) -> None:
    """Shows a refusal of bad input on the page of the flow run, and keeps its contract page.

    Args:
        root: top folder of the worktree.
    """
    page, rows = f"# Refused\n\n{block(refusal)}", root / VALIDATED / REFUSED_ROWS
    if rows.is_file():
        table = [{name: plain(words) for name, words in row.items()} for row in read_json(rows)]
        create_table_artifact(table, key="refused-rows", description=f"all {len(table)} rows")
        kept = project.room / REFUSED_PAGE
        with replacing(kept) as beside:
            shutil.copy(root / VALIDATED / "contract.html", beside)
        words = "the contract page of the last refusal"
        create_link_artifact(kept.as_uri(), key="contract", link_text=words)
        page += f"\nThe contract page, until the next refusal: {code(kept)}\n"
    create_markdown_artifact(page, key="refusal")


def find_made(
    client: MlflowClient, names: ModelNames, made_by: str, log: Callable[[str], None]
) -> ModelVersion | None:
    """Returns the candidate that this recipe has made before, if any and if it can be used.

    It also makes it the challenger, unless there is a newer one.

    Args:
        made_by: the recipe.
        log: called with a line if the model is lost, so that it is made again.
    """
    known = version_of_recipe(client, names.candidates, made_by)
    lost = unusable(client, known) if known else None
    if known and lost:
        log(f"{uri_of(known)} was made by this recipe, but {lost}: the model is made again")
        return None
    if known:
        challenge(client, known)  # the run that made it may have died before this step
    return known


@task(task_run_name="snapshot", cache_policy=NO_CACHE)
@refusals_are("Refused input")
def take_snapshot(
    project: Project,
    worktree: Worktree,
    source: str,
    columns: dict[str, str],
    corrections: str = "",
    annotations: str = "",
) -> str:
    """Brings a snapshot into data/snapshot of the worktree and returns its id.

    Args:
        source: folder or URL of the shop to import. Empty: the snapshot of the worktree's commit is
            restored.
        columns: the shop's names of columns → the format's.
        corrections, annotations: as of `retrain`.
    """
    log = stage_log("snapshot")
    if not source:
        return restore_snapshot(project, worktree.root, log)
    with scratch(project, "corrections") as folder:
        taught = lessons(project, source, corrections, annotations, folder, log)
        where = project, worktree.root, source, log
        return import_shop_into(*where, columns=columns, corrections=taught)


@task(cache_policy=NO_CACHE)
@refusals_are("Refused input")
def stage(client: MlflowClient, root: Path, run_id: str | None, one: Stage) -> str:
    """Runs one stage of dvc.yaml in a worktree; returns "computed" or "from the cache".

    While the stage that writes the training history runs, the history is logged to the MLflow run,
    and how busy the machine is.

    Args:
        root: top folder of the worktree.
        run_id: MLflow run id; None if there is no run to log to.
    """
    history = TRAINED / "history.csv"
    trains = history.as_posix() in one.outs
    with ExitStack() as watched:
        if run_id and trains:
            watched.enter_context(LiveHistory(client, run_id, root / history).following())
            watched.enter_context(watching_machine(run_id))
        cached = run_stage(root, one, stage_log(one.name))
    return "from the cache" if cached else COMPUTED


def run_stages(client: MlflowClient, root: Path, run_id: str | None) -> None:
    """Runs each stage of dvc.yaml as a Prefect task that waits for the stages it reads from.

    Args:
        run_id: MLflow run that gets the seconds of each stage that was computed; None for none.
    """
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
        # One after another in this thread: DVC runs only one stage at a time in a checkout.
        upstream = [states[name] for name in one.upstream]
        started = time.monotonic()
        state: Any = configured(client, root, run_id, one, wait_for=upstream, return_state=True)
        if state.result() == COMPUTED and run_id:
            client.log_metric(run_id, f"seconds.{one.name}", time.monotonic() - started)
        states[one.name] = state


def crashed(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Returns whether a task is tried again: after a crash, not after a refusal of bad input."""
    try:
        state.result()
    except UserError:
        return False
    except Exception:
        return True
    return False


@task(task_run_name="open MLflow run", cache_policy=NO_CACHE)
def start_run(project: Project, client: MlflowClient, worktree: Worktree, source: str) -> str:
    """Opens the MLflow run of a retraining of a shop, before its training; returns its id."""
    experiment = open_experiment(project, client, get_run_logger().warning)
    served = runtime.deployment.id is not None
    tags = first_tags(worktree, source, str(runtime.flow_run.id), served)
    train = read_params(worktree.root / PARAMS)["train"]
    name = first_name(tags["shop"], train["method"], train["epochs"])
    run = client.create_run(experiment, run_name=name, tags=tags)
    link = run_page(project, client, run.info.run_id)
    create_link_artifact(link, key="mlflow-run", link_text="the run in MLflow")
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
    """Records the finished pipeline in its run and registers its model as a candidate.

    Args:
        root: top folder of the worktree.
        run_id: MLflow run id.
        source: folder or URL of the shop; empty for the snapshot of the commit.
        tags: the lineage, see `flows.registry.run_record.lineage_tags`.
    """
    log = get_run_logger().info
    log("packaging the model")
    # The model is logged first: MLflow then asks the server for each metric that the run has.
    model = log_model(project, client, run_id, root, log)
    log_lineage(client, model_id(model), root)
    metrics = record(client, run_id, model, root, source or str(project.root), tags)
    log_diff(client, run_id, root, log)
    words = f"Metrics on the test split ({metrics['split']['proves']}), beside naive baselines"
    create_table_artifact(metric_table(metrics), key="metrics", description=words)
    card = model_card(root, names.production, metrics, tags)
    client.log_text(run_id, card, "model_card.md")
    version = register(client, names.candidates, model_id(model), run_id, tags, card)
    describe(client, names, version)
    return version


@task(
    task_run_name="push to the DVC remote",
    cache_policy=NO_CACHE,
    retries=len(PUSH_DELAYS),
    retry_delay_seconds=PUSH_DELAYS,
)
def push_outputs(root: Path, snapshot: str) -> None:
    """Copies the snapshot and the outputs of a worktree's stages to the default DVC remote.

    Args:
        root: top folder of the worktree.
        snapshot: the snapshot's id.

    Raises:
        UserError: the remote cannot be used.
    """
    lock = (root / "dvc.lock").read_text(encoding="utf-8")
    pushed = push(root, {snapshot} | outputs_in(lock))
    get_run_logger().info("pushed %s to the DVC remote '%s'", pushed, default_remote(root))


def keep_elsewhere(root: Path, snapshot: str) -> str:
    """Lets a DVC remote keep what a retraining has made; its outage loses no training.

    Args:
        root, snapshot: as of `push_outputs`.

    Returns:
        What the remote did not get, in words; empty if it got all, or if there is none.
    """
    if not default_remote(root):
        get_run_logger().info("no DVC remote is set: snapshot and outputs are on this machine only")
        return ""
    state: Any = push_outputs(root, snapshot, return_state=True)
    try:
        state.result()
    except Exception as error:  # of many kinds, in the clients of remotes
        words = f"the DVC remote did not get all of snapshot and outputs: {error}"
        get_run_logger().warning(words)
        return without_credentials(words)
    return ""


@task(task_run_name="gate", cache_policy=NO_CACHE)
def gate(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> Decision:
    """Decides whether a version may be promoted.

    The decision is kept in the version's run, in the tags of the version, in the audit trail and on
    Prefect's page.

    Args:
        root: the checkout with the version's snapshot and the stages' results.
    """
    logger = get_run_logger()
    notice(project, client, policy.models)
    to_beat = champion_to_beat(client, policy.models)
    if to_beat.problem:
        logger.warning(str(to_beat.problem))
    files = hashes_of(client, version)
    run = run_of(client, version)
    with scratch(project, "evidence") as pages:
        evidence = gather_evidence(
            project, policy, root, version, to_beat.version, pages, logger.info
        )
        if run:
            client.log_artifacts(run, str(pages), "gate")
    if to_beat.version and evidence.challenger and policy.gate.impact.mode != "off":
        impact = measured_impact(project, client, policy, root, version, to_beat.version)
        evidence = replace(evidence, impact=impact)
    decision = decide(policy.gate, evidence)
    page, against = decision_page(decision), decision.champion_model or "none"
    if run:
        client.log_dict(run, decision.to_json() | {FILES: files}, DECISION)
        client.log_text(run, page, "gate/decision.md")
        summarize(client, run, version, decision, flow_run_page())
        log_report(client, run, root, version, decision)
    else:
        logger.warning(
            "the run of %s is gone, so its decision is only in its tags, in the audit trail and on "
            "Prefect's page",
            uri_of(version),
        )
    tags = {
        "gate": decision.verdict,
        "gate_champion": against,
        "gate_retriable": str(decision.retriable).lower(),
    }
    for name, value in tags.items():
        client.set_model_version_tag(version.name, version.version, name, value)
    facts = {"verdict": decision.verdict, "champion": against, "run": run or "none"}
    facts |= {FILES: digest_of(files), BRANCH: branch_of(project)}
    facts |= {"comment": str(to_beat.problem)} if to_beat.problem else {}
    facts |= account(project)
    facts |= {"reasons": ". ".join(sentences(decision))} if decision.failed else {}
    facts |= {"gain": gains(decision)} if decision.compared else {}
    facts |= {WORDS: in_words(decision)} if decision.passed else {}
    facts |= {IMPACT: moved_words(decision.impact)} if decision.impact else {}
    note_event(client, version, "decision", "gate", **facts)
    describe(client, policy.models, version)
    described = f"{uri_of(version)}: {decision.verdict}"
    create_markdown_artifact(page, key="gate-decision", description=described)
    logger.info("gate: %s", outcome(decision))
    return decision


def measured_impact(
    project: Project,
    client: MlflowClient,
    policy: Policy,
    root: Path,
    version: ModelVersion,
    champion: ModelVersion,
) -> ImpactSummary | None:
    """Measures what a promotion would change, and keeps its page in the version's run.

    Args:
        root: the checkout with the version's snapshot and the stages' results.

    Returns:
        None if it is not known. Where the policy only reports it, no outage of the store costs a
        training its decision.
    """
    log, run = get_run_logger(), run_of(client, version)
    with scratch(project, "gate") as pages:
        try:
            found = impact_of(
                project, policy.gate.impact, root, version, champion, pages, stage_log("impact")
            )
        except Exception as error:  # of many kinds, in the clients of stores
            if policy.gate.impact.mode == "enforce":
                raise
            log.warning("what a promotion would change is not known: %s", error)
            return None
        if run and found:
            client.log_artifacts(run, str(pages), "gate")
    return found


def flow_run_page() -> str:
    """Returns the URL of this flow run's page, on Prefect's server or on that of `variants ui`."""
    return (
        url_for(
            "flow-run", runtime.flow_run.id, default_base_url=f"http://127.0.0.1:{PREFECT_PORT}"
        )
        or ""
    )


def standing_of(
    project: Project, client: MlflowClient, policy: Policy, root: Path, version: ModelVersion
) -> bool:
    """Returns whether the gate lets an existing version pass.

    The gate decides anew if the champion has changed since, or if a check failed that may pass at
    another time or on another machine, such as one of the serving check.

    Args:
        root: a checkout with the version's snapshot.
    """
    to_beat, decided = champion_to_beat(client, policy.models), decision_on_record(client, version)
    current = to_beat.version is not None and is_copy(to_beat.version, version)
    # Refused versions without this tag, which older code registered, are decided on again.
    refused = version.tags.get("gate") == "refused"
    retriable = refused and version.tags.get("gate_retriable", "true") == "true"
    stale = decided is None or decided["champion"] != to_beat.uri or FILES not in decided
    if edited(version, decided) or (not current and (retriable or stale)):
        # From the cache: the gate needs their files.
        run_stages(client, root, run_of(client, version))
        return bool(gate(project, client, policy, root, version).passed)
    return version.tags.get("gate") == "passed"
