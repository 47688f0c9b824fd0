"""Real servers for the tests that are about them, on free ports of this machine."""

import json
import os
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.local.servers import free_port, running

HOST = ["--host", "127.0.0.1", "--port"]


def post(address: str, body: object, timeout: float = 30) -> Any:
    """The JSON that a server answers to JSON."""
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Served:
    """How a server is started, and where it answers.

    Attributes:
        command: argument vector.
        address: what clients are given.
        ready: an address that answers once the server is up.
    """

    command: list[str]
    address: str
    ready: str


def mlflow_served(store: str, artifacts: Path, *options: str) -> Served:
    """`mlflow server OPTIONS` on a free port; store: the address of its database."""
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        *HOST,
        str(port),
        "--workers",
        "1",
        *options,
    ]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(artifacts)]
    return Served(command, f"http://127.0.0.1:{port}", f"http://127.0.0.1:{port}/health")


def prefect_served() -> Served:
    """`prefect server start` on a free port."""
    port = free_port()
    command = [sys.executable, "-m", "prefect", "server", "start", *HOST, str(port)]
    return Served(command, f"http://127.0.0.1:{port}/api", f"http://127.0.0.1:{port}/api/health")


def of_its_own(home: Path, **settings: str) -> dict[str, str]:
    """An environment for servers that know nothing of this machine's settings; Prefect keeps its files in `home`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "MLFLOW_"))
    }
    quiet = {
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    jobs = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
    }  # half a dozen processes that nothing here uses
    return kept | quiet | jobs | {"PREFECT_HOME": str(home)} | settings


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A real Prefect server on a database of its own; yields its API address."""
    prefect = prefect_served()
    with running(prefect.command, folder / "server.log", of_its_own(folder), prefect.ready):
        yield prefect.address
