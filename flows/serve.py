"""Serves the flows on a Prefect server, where a page, a shell or a schedule triggers them."""

import os
from typing import Any

from prefect import serve

from flows.group import group
from flows.local.project import Project
from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback

FLOWS = (retrain, promote, rollback, group)
DEPLOYMENT = "local"  # deployments are named retrain/local, promote/local, …


def serve_flows(project: Project, cron: str | None, source: str | None) -> None:
    """Serves all flows until the process is interrupted.

    Args:
        cron: when the flow `retrain` runs by itself, such as "0 3 * * 1"; None: never.
        source: folder or fsspec URL of the shop for those runs; None: the commit's snapshot.
    """
    os.chdir(project.root)  # the runner starts flow runs in its own working folder
    deployments = []
    for one in FLOWS:
        extra: dict[str, Any] = {}
        if one is retrain:
            extra["parameters"] = {"source": source} if source else None
            if cron:
                extra["cron"] = cron
        deployments.append(
            one.to_deployment(
                DEPLOYMENT, description=one.description, tags=["color-variants"], **extra
            )
        )
    serve(*deployments, limit=2, pause_on_shutdown=False)  # type: ignore[arg-type]
