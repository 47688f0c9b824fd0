"""`variants serve` and `variants ui` refuse in a line what cannot be served, without traceback."""

import http.server
import os
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import VARIANTS, Clone
from servers import free_port, prefect_server, wait
from typer.testing import CliRunner

from flows.cli import app
from flows.local.project import Project
from flows.serve import FLOWS, refuse_silent, schedule_of
from ml.core.errors import UserError


@pytest.mark.parametrize(
    ("cron", "timezone", "word"),
    [
        ("monday", "UTC", "'monday'"),
        ("0 3 * *", "UTC", "five fields"),
        ("61 3 * * *", "UTC", "'61 3"),
        ("0 0 31 2 *", "UTC", "a time that comes"),
        ("R 3 * * *", "UTC", "'R 3"),
        ("", "UTC", "''"),
        ("0 3 * * 1", "Mars/Base", "'Mars/Base'"),
        ("0 3 * * 1", "../../etc/passwd", "--timezone"),
        ("0 3 * * 1", "", "--timezone"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused_in_a_line(
    cron: str, timezone: str, word: str
) -> None:
    with pytest.raises(UserError) as refusal:
        schedule_of(cron, timezone)
    assert word in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--cron", "61 3 * * 1"], "--cron"), (["--cron", "0 3 * * 1", "--timezone", "M"], "IANA")],
)
def test_a_wrong_schedule_is_refused_before_a_missing_server(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch, options: list[str], word: str
) -> None:
    monkeypatch.chdir(empty_project.root)
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setattr("flows.cli._with_prefect", lambda project: None)
    assert word in str(CliRunner().invoke(app, ["serve", *options]).exception)
    assert "no Prefect server" in str(CliRunner().invoke(app, ["serve"]).exception)


def test_a_schedule_keeps_its_time_zone() -> None:
    found = schedule_of("0 3 * * 1", "Europe/Berlin")
    assert (found.cron, found.timezone) == ("0 3 * * 1", "Europe/Berlin")


def test_forms_require_names_and_have_types() -> None:
    schemas = {one.name: one.parameters for one in FLOWS}
    assert {name: schema.required for name, schema in schemas.items()} == {
        "retrain": [],
        "promote": ["by"],
        "rollback": ["reason", "by"],
        "group": ["source"],
    }
    assert schemas["retrain"].properties["profile"]["enum"] == ["", "gpu"]
    types = [{"type": "integer"}, {"type": "string"}]
    assert schemas["promote"].properties["version"]["anyOf"] == types
    assert schemas["rollback"].properties["to"]["anyOf"] == types


def test_a_server_that_does_not_answer_is_refused_and_one_that_does_is_not() -> None:
    with pytest.raises(UserError, match="Prefect does not answer at"):
        refuse_silent(f"http://127.0.0.1:{free_port()}/api")
    with pytest.raises(UserError, match="Prefect does not answer at nonsense"):
        refuse_silent("nonsense")
    handler = http.server.BaseHTTPRequestHandler  # answers 501
    handler.log_message = lambda *_: None  # type: ignore[method-assign]
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        refuse_silent(f"http://127.0.0.1:{server.server_port}/api")


@pytest.mark.full
def test_the_commands_end_with_a_line_and_an_exit_code(make_clone: Callable[[], Clone]) -> None:
    clone = make_clone()
    clone.environment["PREFECT_API_URL"] = f"http://127.0.0.1:{free_port()}/api"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for command in (
            ["serve"],
            ["serve", "--cron", "monday"],
            ["serve", "--cron", "0 3 * * 1", "--timezone", "Mars/Base"],
            ["ui", "--prefect-port", port],
            ["ui", "--mlflow-port", "70000"],
        ):
            result = clone.run(*command, check=False)
            assert result.returncode in (1, 2), command
            assert "Traceback" not in result.stdout + result.stderr
            assert len(result.stderr.splitlines()) <= 6, result.stderr


@pytest.mark.full
def test_serving_outlives_an_outage_of_the_server_without_a_traceback(
    make_clone: Callable[[], Clone], tmp_path: Path
) -> None:
    clone, log = make_clone(), tmp_path / "serve.log"
    clone.environment |= {"PREFECT_CLIENT_MAX_RETRIES": "0", "PYTHONUNBUFFERED": "1"}
    with prefect_server(tmp_path) as address:
        clone.environment["PREFECT_API_URL"] = address
        process = clone.start(log, *VARIANTS, "serve")
        wait(lambda: "retrain/retrain" in log.read_text(), "variants serve", log)
    try:
        wait(lambda: "Failed the last 3 attempts" in log.read_text(), "the outage", log)
        os.kill(process.pid, signal.SIGINT)
        process.wait(timeout=120)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert "Traceback" not in log.read_text(), log.read_text()
