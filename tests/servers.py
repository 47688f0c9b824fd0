"""Real servers on free ports of this machine, for tests of the flows with servers."""

import json
import os
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.local.servers import free_port, running

PATIENCE = 300  # seconds for a retraining on the small shop, on a busy machine
HOST = ["--host", "127.0.0.1", "--port"]


def wait(done: Callable[[], bool], what: str, log: Path | None = None) -> None:
    """Waits until `done()` is true; fails after `PATIENCE` with the end of the log."""
    deadline = time.monotonic() + PATIENCE
    while not done():
        assert time.monotonic() < deadline, f"{what} took too long" + (
            f":\n{log.read_text()[-3000:]}" if log else ""
        )
        time.sleep(0.5)


def post(address: str, body: object, timeout: float = 30) -> Any:
    """Posts `body` as JSON and returns the JSON answer.

    Args:
        address: the URL.
        body: what JSON can express.
        timeout: seconds.

    Raises:
        urllib.error.URLError: the server does not answer, or answers with an error.
    """
    request = urllib.request.Request(
        address, json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


@dataclass(frozen=True)
class Served:
    """The command that starts a server, and the addresses where it answers.

    Attributes:
        command: the argument vector.
        address: the address for clients.
        ready: an address that answers once the server is up.
    """

    command: list[str]
    address: str
    ready: str


def mlflow_served(store: str, artifacts: Path, *options: str) -> Served:
    """`mlflow server OPTIONS` on a free port; `store` is the address of its database."""
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
    """Environment variables for servers, without the settings of this machine.

    Args:
        home: the folder of Prefect's files.
        settings: further variables.
    """
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
    # MLflow's job execution would start half a dozen processes that no test uses.
    jobs = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return kept | quiet | jobs | {"PREFECT_HOME": str(home)} | settings


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A real Prefect server on a database of its own; yields its API address."""
    prefect = prefect_served()
    with running(prefect.command, folder / "server.log", of_its_own(folder), prefect.ready):
        yield prefect.address
