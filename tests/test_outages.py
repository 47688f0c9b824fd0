"""A full disk or an unreachable server is reported in one line, wherever it is met."""

import errno
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import typer
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from servers import free_port

from flows.local.access import impossible
from flows.local.outages import AWAY, FULL, outage, unanswered, unreachable
from flows.local.process import CommandError, stream
from ml.catalogue.store import Store
from ml.core.command import run_app
from ml.core.errors import UserError

FULL_DISK = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL_DISK.exists(), reason="this system has no /dev/full")


@needs_full
def test_a_full_disk_is_recognised_behind_other_errors() -> None:
    with pytest.raises(OSError) as full:
        FULL_DISK.write_bytes(b"x")
    wrapped = RuntimeError("the flow failed")
    wrapped.__cause__ = full.value
    assert outage(wrapped) == FULL
    assert outage(OSError(errno.EACCES, "Permission denied")) is None
    assert outage(None) is None


def test_a_prefect_server_that_is_away_is_recognised_behind_other_errors() -> None:
    with pytest.raises(httpx.ConnectError) as away:
        httpx.get(f"http://127.0.0.1:{free_port()}")
    wrapped = RuntimeError("the flow failed")
    wrapped.__context__ = away.value
    assert outage(wrapped) == AWAY


def test_an_mlflow_server_that_is_away_is_recognised_by_its_clients_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    address = f"http://127.0.0.1:{free_port()}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(MlflowException) as away:
        MlflowClient(address).get_run("1")
    assert outage(away.value) == unanswered()
    assert address in unanswered()
    assert outage(MlflowException("no such run")) is None


def test_a_store_whose_server_is_away_or_refuses_is_told_and_no_other_error_is(
    tmp_path: Path,
) -> None:
    with pytest.raises(OSError, match="Cannot connect") as away:
        Store(f"http://127.0.0.1:{free_port()}/store").list("catalogues")
    assert "VARIANTS_STORE" in str(unreachable(away.value))
    refused = PermissionError("Access Denied")  # as s3fs raises it
    kind = type("ClientError", (Exception,), {"__module__": "botocore.exceptions"})
    refused.__cause__ = kind("AccessDenied")
    assert "credentials" in str(unreachable(refused))
    with pytest.raises(FileNotFoundError) as missing:
        Store(str(tmp_path)).read("nothing")
    assert unreachable(missing.value) is None


def test_a_path_at_which_nothing_can_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path, word in ((tmp_path / ("a" * 300), "too long"), (tmp_path / "loop", "loop")):
        for ask in (Path.stat, lambda one: one.resolve(strict=True)):
            with pytest.raises((OSError, RuntimeError)) as error:
                ask(path)
            assert word in str(impossible(error.value)).casefold().replace("levels of", "loop")
    assert impossible(FileNotFoundError(errno.ENOENT, "No such file", "x")) is None


@needs_full
def test_a_stage_on_a_full_disk_is_a_refusal_and_another_crash_is_not() -> None:
    write = "from pathlib import Path; Path('/dev/full').write_bytes(b'x')"
    with pytest.raises(UserError, match="No space left on device: make room"):
        stream([sys.executable, "-c", write], Path.cwd(), lambda line: None)
    with pytest.raises(CommandError):
        stream([sys.executable, "-c", "raise ValueError('else')"], Path.cwd(), lambda line: None)


def write_a_file(folder: Path) -> None:
    FULL_DISK.write_bytes(b"x")


def copy_many_files(folder: Path) -> None:
    (folder / "from").mkdir()
    (folder / "from/one").write_bytes(b"x")
    shutil.copytree(folder / "from", folder / "to", copy_function=lambda *_: write_a_file(folder))


@needs_full
@pytest.mark.parametrize("work", [write_a_file, copy_many_files])
def test_a_stage_run_by_hand_says_so_without_a_traceback(
    work: Callable[[Path], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(lambda: work(tmp_path))
    monkeypatch.setattr(sys, "argv", ["stage"])
    with pytest.raises(SystemExit) as end:
        run_app(app)
    assert end.value.code == 1
    assert "error: No space left on device" in capsys.readouterr().err
