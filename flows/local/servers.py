"""Starts and stops servers on this machine, among them the pages of MLflow and Prefect."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from filelock import FileLock

from flows.local.interruptions import ending_servers
from flows.local.process import stream
from flows.local.project import Project
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.files import remove, replacing, write_json

MLFLOW_PORT, PREFECT_PORT = 5000, 4200
DATABASE = "PREFECT_API_DATABASE_CONNECTION_URL"
STARTUP = 180.0  # seconds for a server's first answer


def start_pages(
    project: Project, mlflow_port: int, prefect_port: int
) -> list[subprocess.Popen[bytes]]:
    """Starts both servers and waits until they answer; their logs go to .variants/logs.

    If MLFLOW_TRACKING_URI names a server, only Prefect's is started.

    Raises:
        UserError: a port is taken, or a server does not start.
    """
    for name, port in (("MLflow", mlflow_port), ("Prefect", prefect_port)):
        if _answers(port):
            raise UserError(
                f"port {port} is taken: choose another one for {name} (see `variants ui --help`)"
            )
    environment = os.environ | {
        "PREFECT_UI_API_URL": f"http://127.0.0.1:{prefect_port}/api",
        # Job execution would start half a dozen worker processes, which nothing here uses.
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        # Not an argument: all users of a machine see the arguments of its processes.
        "MLFLOW_BACKEND_STORE_URI": project.mlflow_uri,
    }
    mlflow = [
        sys.executable,
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(mlflow_port),
    ]
    mlflow += ["--workers", "1"]
    mlflow += ["--artifacts-destination", str(project.room / "mlartifacts")]
    prefect = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(prefect_port),
    ]
    commands = {"prefect": (prefect, prefect_port, "/api/health")}
    if not project.mlflow_uri.startswith("http"):
        commands["mlflow"] = (mlflow, mlflow_port, "/health")
    started = []
    try:
        for name, (command, _, _) in commands.items():
            started.append(_start(command, project.room / "logs" / f"{name}.log", environment))
        for process, (name, (_, port, path)) in zip(started, commands.items(), strict=True):
            _await(process, f"http://127.0.0.1:{port}{path}", project.room / "logs" / f"{name}.log")
    except BaseException:
        stop(started)
        raise
    write_json(
        _note(project),
        {
            "prefect": f"http://127.0.0.1:{prefect_port}/api",
            "mlflow": f"http://127.0.0.1:{mlflow_port}",
            "pid": os.getpid(),
        },
    )
    return started


def start_serving(project: Project) -> subprocess.Popen[bytes]:
    """Starts `variants serve` for the pages that run, and waits until it serves the flows.

    Raises:
        UserError: it does not start; the message holds the end of its log.
    """
    log = project.room / "logs/serve.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "flows.cli", "serve"]
    process = _start(command, log, os.environ | {"PREFECT_API_URL": str(running_prefect(project))})
    deadline = time.monotonic() + STARTUP
    while process.poll() is None and time.monotonic() < deadline:
        if "retrain/retrain" in log.read_text(encoding="utf-8", errors="replace"):
            return process
        time.sleep(0.5)
    stop([process])
    raise UserError(f"the flows are not served; the end of {log}:\n" + "\n".join(_tail(log)))


def start_desk(project: Project, port: int) -> tuple[subprocess.Popen[bytes], str]:
    """Starts `variants desk` and waits until it answers; its log goes to .variants/logs.

    Args:
        port: 0: any free one.

    Returns:
        Its process and its address.

    Raises:
        UserError: the port is taken, or the desk does not start.
    """
    if port and _answers(port):
        raise UserError(
            f"port {port} is taken: choose another one for the desk (see `variants ui --help`)"
        )
    port = port or free_port()
    address, log = f"http://127.0.0.1:{port}", project.room / "logs/desk.log"
    command = [sys.executable, "-m", "flows.cli", "desk", "--port", str(port)]
    process = _start(command, log, dict(os.environ))
    try:
        _await(process, f"{address}/static/desk.css", log)
    except BaseException:
        stop([process])
        raise
    return process, address


def wait_for_end(project: Project, processes: list[subprocess.Popen[bytes]]) -> None:
    """Waits until one of the processes ends by itself.

    Raises:
        UserError: one has ended.
    """
    while all(process.poll() is None for process in processes):
        time.sleep(1)
    raise UserError(f"a server has ended; see the logs in {project.room / 'logs'}")


@contextmanager
def running(
    command: list[str], log: Path, environment: dict[str, str], url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """Starts a server, waits until it answers at `url`, and stops it when the block ends.

    Args:
        command: program and arguments.
        log: file for the server's output; its folder is the server's working folder.
        environment: all variables of the server's process.

    Raises:
        UserError: the server does not start; the message holds the end of its log.
    """
    process = _start(command, log, environment)
    try:
        _await(process, url, log)
        yield process
    finally:
        stop([process])


def free_port() -> int:
    """Returns a port that no process listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def heed_end() -> None:
    """Lets a process manager's or a closed terminal's signal raise KeyboardInterrupt, like Ctrl-C.

    So servers that are being started are stopped as well.
    """
    for one in ending_servers():
        signal.signal(one, signal.default_int_handler)


def stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """Ends servers and all processes that they started; at once if a signal comes meanwhile."""
    below = [child for process in processes for child in _children(process)]
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    try:
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
    finally:
        for process in processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        for child in below:  # those in a session of their own, such as flow runs
            with suppress(psutil.Error):
                child.kill()


def forget_pages(project: Project) -> None:
    """Removes the note through which other commands find the pages."""
    remove(_note(project))


def running_prefect(project: Project) -> str | None:
    """Returns the API address of this project's `variants ui` if it answers, otherwise None."""
    return _answering(_noted(project, "prefect"))


def running_mlflow(project: Project) -> str | None:
    """Returns the address of MLflow's pages if there is a server for them, otherwise None."""
    if project.mlflow_uri.startswith("http"):
        return mlflow_page(project)
    return _answering(_noted(project, "mlflow"))


def mlflow_page(project: Project) -> str:
    """Returns the address of MLflow's pages: of its server, or of `variants ui` on this machine."""
    if project.mlflow_uri.startswith("http"):
        return without_credentials(project.mlflow_uri).rstrip("/")
    return _noted(project, "mlflow") or f"http://127.0.0.1:{MLFLOW_PORT}"


def make_prefect_database(project: Project) -> None:
    """Makes the database that the temporary servers of all commands share.

    Prefect would make it too, but several first commands at once would race. The database appears
    whole or not at all, even if this process is killed.
    """
    home = Path(os.environ["PREFECT_HOME"])
    home.mkdir(parents=True, exist_ok=True)
    database = home / "prefect.db"
    with FileLock(home / "making.lock"):
        if database.is_file() or DATABASE in os.environ:
            return
        with replacing(database) as beside:
            command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "--yes"]
            stream(
                command,
                project.root,
                lambda line: None,
                {DATABASE: f"sqlite+aiosqlite:///{beside}"},
            )


def _answering(address: str | None) -> str | None:
    """Returns an address if a server answers there, otherwise None."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2):
            return address
    except (OSError, ValueError):
        return None


def _noted(project: Project, name: str) -> str | None:
    """Returns an address that the running `variants ui` has noted, or None."""
    try:
        return str(json.loads(_note(project).read_text(encoding="utf-8"))[name])
    except (OSError, ValueError, KeyError):
        return None


def _children(process: subprocess.Popen[bytes]) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return psutil.Process(process.pid).children(recursive=True)
    return []


def _note(project: Project) -> Path:
    return project.room / "ui.json"


def _start(command: list[str], log: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=log.parent,
            start_new_session=True,
        )


def _await(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.5)
    raise UserError(
        f"the server behind {url} did not start; the end of {log}:\n" + "\n".join(_tail(log))
    )


def _tail(log: Path) -> list[str]:
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:]


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
