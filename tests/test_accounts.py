"""Where MLflow has accounts, the account that acts is on record, and it counts more than a name."""

import json
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import CANDIDATES, Clone, set_params
from registry import JUDGED, hollow_model
from servers import mlflow_served, of_its_own

from flows.local.project import Project
from flows.local.servers import running
from flows.registry.audit_trail import note_event
from flows.registry.people import account
from flows.registry.tracking import connect

pytestmark = pytest.mark.full
PASSWORDS = {name: secrets.token_urlsafe(16) for name in ("admin", "trainer", "rita", "rolf")}


@dataclass
class Team:
    """A clone that uses an MLflow server with accounts; two people must approve there."""

    clone: Clone
    address: str

    def run(self, name: str, *command: str) -> str:
        """What a command prints that an account runs, to both outputs."""
        one = Clone(self.clone.root)
        one.environment = self.clone.environment | credentials(name)
        done = one.run(*command)
        return done.stdout + done.stderr


def credentials(name: str) -> dict[str, str]:
    return {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": PASSWORDS[name]}


@pytest.fixture
def team(
    make_clone: Callable[[], Clone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Team]:
    clone, ini = make_clone(), tmp_path / "accounts.ini"
    set_params(clone.root / "mlflow/promotion.yaml", {"approval.approvers": 2})
    clone.git("commit", "--quiet", "--all", "-m", "two approvers")
    ini.write_text(
        f"[mlflow]\ndefault_permission = MANAGE\ndatabase_uri = sqlite:///{tmp_path}/accounts.db\n"
        f"admin_username = admin\nadmin_password = {PASSWORDS['admin']}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    settings = {
        "MLFLOW_AUTH_CONFIG_PATH": str(ini),
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
    }
    store = f"sqlite:///{tmp_path}/mlflow.db"
    served = mlflow_served(store, tmp_path / "artifacts", "--app-name", "basic-auth")
    environment = of_its_own(tmp_path / "prefect", **settings)
    with running(served.command, tmp_path / "mlflow.log", environment, served.ready):
        from mlflow.server.auth.client import AuthServiceClient

        monkeypatch.setenv("MLFLOW_TRACKING_URI", served.address)
        act_as("admin", monkeypatch)
        for name in ("trainer", "rita", "rolf"):
            AuthServiceClient(served.address).create_user(name, PASSWORDS[name])
        clone.environment["MLFLOW_TRACKING_URI"] = served.address
        yield Team(clone, served.address)


def act_as(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in credentials(name).items():
        monkeypatch.setenv(variable, value)


def test_one_account_under_two_names_is_one_approver_and_commands_say_who_signs(
    team: Team, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    act_as("trainer", monkeypatch)
    project = Project(team.clone.root)
    assert account(project) == {"account": "trainer"}
    client = connect(project)
    client.create_registered_model(CANDIDATES)
    commit = team.clone.git("rev-parse", "HEAD")
    run = client.create_run("0").info.run_id
    client.log_artifacts(run, str(hollow_model(tmp_path / "model")), "model")
    source, tags = f"{client.get_run(run).info.artifact_uri}/model", JUDGED | {"author": "Tara"}
    version = client.create_model_version(CANDIDATES, source, run, tags=tags | {"commit": commit})
    facts = {"verdict": "passed", "champion": "none"} | account(project)
    note_event(client, version, "decision", "gate", **facts)
    said = team.run("rita", "approve", "1")
    assert "signing as Ada Tester (git's user.name); --by NAME signs for another" in said
    again = team.run("rita", "approve", "1", "--by", "Somebody Else")
    assert "1 more must approve it, under another name and account" in again
    assert "signing as" not in again
    assert "approved by Ada Tester, Rolf" in team.run("rolf", "approve", "1", "--by", "Rolf")
    events = json.loads(team.run("rolf", "history", "--json"))
    assert [(one["by"], one["account"]) for one in events if one["what"] == "approval"] == [
        ("Ada Tester", "rita"),
        ("Somebody Else", "rita"),
        ("Rolf", "rolf"),
    ]


def test_a_server_without_accounts_and_the_embedded_store_name_none(
    tmp_path: Path, empty_project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert account(Project(empty_project.root)) == {}
    served = mlflow_served(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    environment = of_its_own(tmp_path / "prefect")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.address)
    act_as("rita", monkeypatch)  # claims an account where nobody checks it
    with running(served.command, tmp_path / "mlflow.log", environment, served.ready):
        assert account(Project(empty_project.root)) == {}
