"""Real servers for the tests that are about them, on free ports of this machine."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from flows.servers import free_port


def post(address: str, body: object, timeout: float = 30) -> Any:
    """The JSON that a server answers to JSON."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        return json.load(answer)


@contextmanager
def running(
    command: list[str], folder: Path, environment: dict[str, str], ready: str, patience: float = 180
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a server until the block ends; waits until it answers at the address `ready`, `patience` seconds at most."""
    log = folder / f"server-{free_port()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                urllib.request.urlopen(ready, timeout=5).close()
                break
            except OSError as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    said = log.read_text()[-3000:]
                    raise AssertionError(
                        f"{' '.join(command)} does not answer at {ready} ({error}):\n{said}"
                    ) from error
            time.sleep(0.3)
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A real Prefect server on a database of its own; yields its API address."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment |= {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(command, folder, environment, f"http://127.0.0.1:{port}/api/health"):
        yield f"http://127.0.0.1:{port}/api"
