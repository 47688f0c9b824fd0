"""`variants status`: what serves, what waits for whom, the gate's decisions, and dead runs."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.catalogue.overruled import corrected
from flows.gate.standing import approval_of
from flows.local.project import Project
from flows.local.worktree import worktrees
from flows.push import only_here
from flows.registry.audit_trail import IMPACT, MOVES, WORDS, decision_on_record, events, events_on
from flows.registry.dead_runs import dead_runs, orphans
from flows.registry.outside_move import notice
from flows.registry.problems import problems
from flows.registry.production import number_of
from flows.registry.still_client import StillClient
from flows.registry.tracking import connect
from flows.registry.trail_check import check_trail, trail_problems
from flows.registry.versions import (
    CHALLENGER,
    CHAMPION,
    edited,
    or_none,
    policy_of,
    refusal_of,
    uri_of,
    version_by_alias,
)
from ml.core.credentials import without_credentials
from ml.promote.policy import ModelNames, Policy

SHOWN = 10  # versions of each model, newest first
PENDING = 3  # candidates newer than the one that serves, newest first, whose next step is named
SHOWN_TAGS = (
    "gate",
    "gate_champion",
    "gate_failed",
    "dirty",
    "commit",
    "snapshot",
    "candidate",
    "champion_since",
    "replaced",
    "rolled_back",
)


def status(project: Project) -> dict[str, Any]:
    """Reads the state of the registry and of the runs in this clone.

    Returns:
        {"tracking": URI of MLflow, without credentials,
        "champion", "challenger": version number or None,
        "serving": None, or the champion as {"model": URI, "since" (UTC, ISO 8601), "by": who,
        "how": kind of that event, "metric": name of the policy's first metric, "value": on test};
        what is not known is None,
        "pending": the newest candidates that came after the one that serves, at most 3, as
        {"version", "words": how it stands, "command": what leads on, or "", "step": the first word
        of that command, such as "approve"},
        "production", "candidates": the newest versions, at most 10 each, newest first,
        "problems": what people have done to the registry by hand, as {"state", "version": URI,
        "mend": what to do},
        "worktrees": names of runs that have a worktree,
        "dead": names of dead runs,
        "corrected": of each catalogue with corrections {"catalogue", "version": its newest,
        "model": URI, "overruled": how many corrections and locked groups this model alone would
        have decided otherwise, "of_said": of how many},
        "orphans": process ids of temporary servers whose command was killed,
        "only_here": None without a DVC remote, or {"snapshots", "models": how many of these the
        remote lacks, None if it cannot be asked, "problem": why it cannot, or ""}}.
        A version is {"version", "created" (UTC, ISO 8601), "run" (MLflow run id, or None if it
        was registered without one)} and its tags.

    Raises:
        UserError: MLflow cannot be used.
    """
    client = connect(project)
    policy = policy_of(project)
    names = policy.models
    notice(project, client, names)  # it may write
    client = StillClient(client)
    champion = version_by_alias(client, names.production, CHAMPION)
    challenger = version_by_alias(client, names.candidates, CHALLENGER)
    production, candidates = (newest(client, name) for name in (names.production, names.candidates))
    here = only_here(project, client)
    return {
        "tracking": without_credentials(project.mlflow_uri),
        "champion": str(champion.version) if champion else None,
        "challenger": str(challenger.version) if challenger else None,
        "serving": serving(client, policy, champion),
        "pending": [stands(client, policy, one, champion) for one in later(candidates, champion)],
        "production": [_described(one) for one in production],
        "candidates": [_described(one) for one in candidates],
        "problems": changed_by_hand(project, client, names, production, candidates),
        "worktrees": worktrees(project),
        "dead": [one.name for one in dead_runs(project)],
        "corrected": corrected(project),
        "orphans": [one.pid for one in orphans(project)],
        "only_here": asdict(here) if here else None,
    }


def changed_by_hand(
    project: Project,
    client: MlflowClient,
    names: ModelNames,
    production: list[ModelVersion],
    candidates: list[ModelVersion],
) -> list[dict[str, Any]]:
    """Returns what people have done to the registry by hand; see "problems" of `status`."""
    trail = trail_problems(check_trail(project, client, names))
    return [asdict(one) for one in (*trail, *problems(client, names, production, candidates))]


def serving(
    client: MlflowClient, policy: Policy, champion: ModelVersion | None
) -> dict[str, Any] | None:
    """Returns the champion, and who made it so; see `status`."""
    if champion is None:
        return None
    moves = [
        one
        for one in events(client, policy.models)
        if one["what"] in MOVES and one["version"] == uri_of(champion)
    ]
    last = moves[-1] if moves else {}
    run = or_none(client.get_run, champion.run_id) if champion.run_id else None
    metric = policy.gate.metrics[0]
    return {
        "model": uri_of(champion),
        "since": last.get("at"),
        "by": last.get("by"),
        "how": last.get("what"),
        "metric": metric,
        "value": run.data.metrics.get(f"test.{metric}") if run else None,
    }


def later(candidates: list[ModelVersion], champion: ModelVersion | None) -> list[ModelVersion]:
    """Returns the candidates that came after the one that serves, newest first."""
    source = number_of(champion.tags.get("candidate", "")) if champion else ""
    newer = [one for one in candidates if not source or int(one.version) > int(source)]
    return newer[:PENDING]


def stands(
    client: MlflowClient, policy: Policy, candidate: ModelVersion, champion: ModelVersion | None
) -> dict[str, str]:
    """Returns how a candidate stands, and the command that leads on; see `status`."""
    decided, number = decision_on_record(client, candidate), str(candidate.version)
    stuck = {"command": "", "step": ""}
    copied = next(
        (
            one["version"]
            for one in events_on(client, policy.models.production).values()
            if one["what"] == "promotion" and one.get("candidate") == uri_of(candidate)
        ),
        None,
    )
    if copied:
        words = f"was promoted as {copied}, which serves no longer; to let it serve again"
        again = f"variants rollback --to {number_of(copied)} --reason WHY"
        return {"version": number, "words": words, "command": again, "step": "rollback"}
    refusal = refusal_of(candidate, decided, policy)
    serves = uri_of(champion) if champion else "none"
    if decided and refusal and not edited(candidate, decided):
        refusal += f": {decided.get('reasons') or candidate.tags.get('gate_failed')}"
    if decided is None or refusal:
        return {"version": number, "words": f"cannot serve: {refusal}"} | stuck
    if decided["champion"] != serves:
        words = (
            f"is stale: the gate compared it with {decided['champion']}, but {serves} serves; the "
            "same `variants retrain` lets the gate decide anew"
        )
        return {"version": number, "words": words} | stuck
    approval = approval_of(client, policy, candidate)
    if approval.verdict == "rejected":
        return {"version": number, "words": f"cannot serve: {approval.words}"} | stuck
    words = f"passed the gate and waits: {approval.words}; "
    words += decided.get(WORDS) or (f"{decided[IMPACT]} would move" if IMPACT in decided else "")
    step, options = {
        "waiting": ("approve", "--by NAME --comment WHY"),
        "approved": ("promote", "--by NAME"),
    }[approval.verdict]
    command = f"variants {step} {number} {options}"
    return {"version": number, "words": words.rstrip("; "), "command": command, "step": step}


def newest(client: MlflowClient, name: str) -> list[ModelVersion]:
    """Returns the newest versions of a registered model, at most 10, newest first."""
    order = ["version_number DESC"]
    return list(client.search_model_versions(f"name = '{name}'", SHOWN, order))


def _described(version: ModelVersion) -> dict[str, Any]:
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return {
        "version": str(version.version),
        "created": created.isoformat(timespec="seconds"),
        "run": version.run_id or None,
        **{tag: version.tags[tag] for tag in SHOWN_TAGS if tag in version.tags},
    }
