"""`variants status`: the champion, the candidates, the gate's decisions, and dead runs."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.worktree import worktrees
from flows.registry.dead_runs import dead_runs, orphans
from flows.registry.outside_move import notice
from flows.registry.problems import problems
from flows.registry.tracking import connect
from flows.registry.trail_check import check_trail, trail_problems
from flows.registry.versions import CHALLENGER, CHAMPION, policy_of, version_by_alias
from ml.core.credentials import without_credentials

SHOWN = 10  # versions of each model, newest first
SHOWN_TAGS = (
    "gate",
    "gate_champion",
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
        "production", "candidates": the newest versions, at most 10 each, newest first,
        "problems": what people have done to the registry by hand, as {"state", "version": URI,
        "mend": what to do},
        "worktrees": names of runs that have a worktree,
        "dead": names of dead runs,
        "orphans": process ids of temporary servers whose command was killed}.
        A version is {"version", "created" (UTC, ISO 8601), "run" (MLflow run id, or None if it
        was registered without one)} and its tags.

    Raises:
        UserError: MLflow cannot be used.
    """
    client = connect(project)
    names = policy_of(project).models
    notice(project, client, names)
    trail = trail_problems(check_trail(project, client, names))
    champion = version_by_alias(client, names.production, CHAMPION)
    challenger = version_by_alias(client, names.candidates, CHALLENGER)
    production, candidates = (
        _newest(client, name) for name in (names.production, names.candidates)
    )
    return {
        "tracking": without_credentials(project.mlflow_uri),
        "champion": str(champion.version) if champion else None,
        "challenger": str(challenger.version) if challenger else None,
        "production": [_described(one) for one in production],
        "candidates": [_described(one) for one in candidates],
        "problems": [
            asdict(one) for one in (*trail, *problems(client, names, production, candidates))
        ],
        "worktrees": worktrees(project),
        "dead": [one.name for one in dead_runs(project)],
        "orphans": [one.pid for one in orphans(project)],
    }


def _newest(client: MlflowClient, name: str) -> list[ModelVersion]:
    found = client.search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda one: -int(one.version))[:SHOWN]


def _described(version: ModelVersion) -> dict[str, Any]:
    created = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC)
    return {
        "version": str(version.version),
        "created": created.isoformat(timespec="seconds"),
        "run": version.run_id or None,
        **{tag: version.tags[tag] for tag in SHOWN_TAGS if tag in version.tags},
    }
