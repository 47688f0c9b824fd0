"""Credentials are refused in a shop's URL, and are in nothing that is stored or shown."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Clone
from servers import mlflow_served, of_its_own, prefect_server

from flows.local import servers
from flows.local.accounts import separate_accounts
from flows.local.project import Project
from flows.local.servers import free_port, running
from flows.local.source import WITHOUT_CREDENTIALS
from ml.core.credentials import has_credentials, without_credentials
from ml.core.errors import UserError
from ml.snapshot.shop import open_shop

PLANTED = "hunter2" * 2  # never written out, since a clone holds this file too
BARE = {  # URL with a secret → the same without
    f"s3://KEY:{PLANTED}@bucket/shop": "s3://bucket/shop",
    f"s3://KEY:se/{PLANTED}+x@bucket/shop": "s3://bucket/shop",
    f"https://ada:{PLANTED}@host:8080/shop": "https://host:8080/shop",
    f"https://{PLANTED}@host/shop": "https://host/shop",
    f"postgresql+psycopg2://ada:{PLANTED}@host/mlflow": "postgresql+psycopg2://host/mlflow",
    f"https://host/s?v=1&X-Amz-Signature={PLANTED}&x=2": "https://host/s?v=1&X-Amz-Signature=***&x=2",
    f"https://host/shop?sv=1&SIG={PLANTED}": "https://host/shop?sv=1&SIG=***",
    f"https://host/shop#access_token={PLANTED}": "https://host/shop#access_token=***",
    f"zip://shop::s3://KEY:{PLANTED}@bucket/a.zip": "zip://shop::s3://bucket/a.zip",
}
PLAIN = [
    "",
    "shops/a@b:c",
    "s3://bucket/shop@v1",
    "https://host:8080/@team/shop?page=2&version=a@b",
    "http://[::1]:5000/a@b",
    "zip://shop::https://host/a@b.zip",
    "models:/color-variants@champion",
]


@pytest.mark.parametrize("url", BARE)
def test_a_secret_in_a_url_is_found_taken_out_and_refused(url: str) -> None:
    """In a text too, by the schema that Prefect's server asks, and in the error itself."""
    assert has_credentials(url)
    assert without_credentials(url) == BARE[url]
    assert without_credentials(f"cannot read '{url}': no") == f"cannot read '{BARE[url]}': no"
    assert not re.search(WITHOUT_CREDENTIALS, url)
    with pytest.raises(UserError, match="holds a password or token") as refused:
        open_shop(url)
    assert PLANTED not in repr(refused.value)
    assert not has_credentials(BARE[url])


@pytest.mark.parametrize("url", PLAIN)
def test_a_url_without_secrets_stays_as_it_is(url: str) -> None:
    assert without_credentials(url) == url
    assert not has_credentials(url)
    assert re.search(WITHOUT_CREDENTIALS, url)


def test_values_of_secret_variables_are_taken_out_of_errors(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PLANTED)
    assert str(UserError(f"signed with {PLANTED}")) == "signed with ***"


def test_passwords_in_addresses_of_servers_become_accounts_of_their_clients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tools print and store these addresses as they are."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "PREFECT_API_AUTH_STRING"):
        monkeypatch.setenv(name, "")  # so that it is put back in the end
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:p@[no-address")
    separate_accounts()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:p%40ss@host:5000")
    monkeypatch.setenv("PREFECT_API_URL", "https://ada:p%40ss@host/api")
    for _ in range(2):
        separate_accounts()
    assert os.environ["MLFLOW_TRACKING_URI"] == "http://host:5000"
    assert os.environ["MLFLOW_TRACKING_USERNAME"] == "ada"
    assert os.environ["MLFLOW_TRACKING_PASSWORD"] == "p@ss"
    assert os.environ["PREFECT_API_URL"] == "https://host/api"
    assert os.environ["PREFECT_API_AUTH_STRING"] == "ada:p@ss"


def test_the_password_of_a_registry_is_in_no_arguments_of_a_process(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All users of a machine see these."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"postgresql://ada:{PLANTED}@host/mlflow")
    commands: list[list[str]] = []

    def start(command: list[str], log: Path, environment: dict[str, str]) -> SimpleNamespace:
        commands.append(command)
        assert PLANTED in environment["MLFLOW_BACKEND_STORE_URI"]
        return SimpleNamespace(pid=0, poll=lambda: 1)

    monkeypatch.setattr(servers, "_start", start)
    monkeypatch.setattr(servers, "stop", lambda processes: None)
    with pytest.raises((UserError, OSError)):
        servers.start_pages(empty_project, free_port(), free_port())
    assert len(commands) == 2
    assert PLANTED not in str(commands)


START = """
from flows.retrain import retrain
from prefect.client.orchestration import get_client
import sys
name = retrain.to_deployment("local").apply()
with get_client(sync_client=True) as client:
    client.create_flow_run_from_deployment(name, parameters={"source": sys.argv[1]})
"""


@pytest.mark.full
def test_planted_secrets_are_in_no_commit_log_database_or_artifact(
    make_clone: Callable[[], Clone], shop: Path, tmp_path: Path
) -> None:
    """In the shop's URL, the tracking URI, the remote's URL and the environment.

    The only file that holds one is the one of DVC's settings, into which a person wrote it.
    """
    clone, prefect = make_clone(), tmp_path / "prefect"
    mlflow = mlflow_served(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    host = mlflow.address.removeprefix("http://")
    remote = f"http://ada:{PLANTED}@127.0.0.1:{free_port()}/remote"
    clone.python("-m", "dvc", "remote", "add", "--local", "--default", "away", remote)
    clone.environment |= {
        "AWS_SECRET_ACCESS_KEY": f"aws-{PLANTED}",
        "MLFLOW_TRACKING_URI": f"http://ada:{PLANTED}@{host}",
        "PREFECT_HOME": str(prefect),
    }
    hidden = [f"s3://KEY:{PLANTED}@bucket/shop", f"https://host/shop?X-Amz-Signature={PLANTED}"]
    with (
        prefect_server(prefect) as address,
        running(mlflow.command, tmp_path / "mlflow.log", of_its_own(tmp_path), mlflow.ready),
    ):
        clone.environment["PREFECT_API_URL"] = address.replace("http://", f"http://ada:{PLANTED}@")
        said = [clone.run("retrain", "--source", str(shop), "--set", "train.epochs=1")]
        assert "`variants push` does it later" in said[0].stdout
        for source in hidden:
            for command in ("retrain --source", "group --source", "snapshot take"):
                said.append(clone.run(*command.split(), source, check=False))
                assert said[-1].returncode == 1
                assert "holds a password or token" in said[-1].stderr
        for command in ("status", "push", "history"):
            said.append(clone.run(command, check=False))
        del clone.environment["PREFECT_API_URL"]
        for source in hidden:  # the server refuses it before it stores it
            clone.environment["PREFECT_API_URL"] = address
            started = clone.python("-c", START, source, check=False)
            assert "does not match" in started.stderr
    said.append(clone.run("status", check=False))  # nobody answers now
    assert said[-1].returncode == 1
    for one in said:
        assert PLANTED not in one.stdout + one.stderr
        assert "Traceback" not in one.stderr
    listing = ["cat-file", "--batch-all-objects", "--batch"]
    assert PLANTED.encode() not in subprocess.check_output(["git", *listing], cwd=clone.root)
    holding = [
        file
        for folder in (clone.root, tmp_path)
        for file in folder.rglob("*")
        if file.is_file() and PLANTED.encode() in file.read_bytes()
    ]
    assert holding == [clone.root / ".dvc/config.local"]
