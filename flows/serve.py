"""Offering the flows on a Prefect server, so that they are triggered from its page, from a shell or on a schedule."""

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
    """Serves all flows until interrupted.

    Args:
        cron: when to retrain by itself, such as "0 3 * * 1", or None.
        source: the shop of scheduled retrainings.
    """
    os.chdir(project.root)  # the runner starts flow runs where it stands
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
