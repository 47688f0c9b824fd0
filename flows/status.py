"""`variants status`: the champion, the candidates, the gate's decisions, and dead runs."""

from datetime import UTC, datetime
from typing import Any

from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.worktree import worktrees
from flows.registry.dead_runs import dead_runs, orphans
from flows.registry.tracking import connect
from flows.registry.versions import CHALLENGER, CHAMPION, policy_of, run_of, version_by_alias

SHOWN = 10  # candidates, newest first


def status(project: Project) -> dict[str, Any]:
    """Reads the state of the registry and of the runs in this clone.

    Returns:
        {"tracking": URI of MLflow,
        "champion", "challenger": version number or None,
        "production", "candidates": the newest versions, at most 10 each, newest first,
        "worktrees": names of runs that have a worktree,
        "dead": names of dead runs,
        "orphans": process ids of temporary servers whose command was killed}.
        A version is {"version", "created" (UTC, ISO 8601), "run" (MLflow run id)} and its tags.

    Raises:
        UserError: MLflow cannot be used.
    """
    client = connect(project)
    names = policy_of(project).models
    champion = version_by_alias(client, names.production, CHAMPION)
    challenger = version_by_alias(client, names.candidates, CHALLENGER)
    return {
        "tracking": project.mlflow_uri,
        "champion": str(champion.version) if champion else None,
        "challenger": str(challenger.version) if challenger else None,
        "production": _versions(client, names.production),
        "candidates": _versions(client, names.candidates),
        "worktrees": worktrees(project),
        "dead": [one.name for one in dead_runs(project)],
        "orphans": [one.pid for one in orphans(project)],
    }


def _versions(client: MlflowClient, name: str) -> list[dict[str, Any]]:
    found = sorted(
        client.search_model_versions(f"name = '{name}'"), key=lambda one: -int(one.version)
    )[:SHOWN]
    kept = (
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
    return [
        {
            "version": str(one.version),
            "created": datetime.fromtimestamp(one.creation_timestamp / 1000, UTC).isoformat(
                timespec="seconds"
            ),
            "run": run_of(one),
            **{tag: one.tags[tag] for tag in kept if tag in one.tags},
        }
        for one in found
    ]
