"""The servers of a team: MLflow with authentication, and Prefect, both on PostgreSQL.

The servers, the accounts and a release run once for this file.
"""

import secrets
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg2
import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, loosen_gate
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from postgres import needs_postgres, running_postgres
from servers import mlflow_served, of_its_own, prefect_served

from flows.local.servers import running

if TYPE_CHECKING:
    from mlflow.server.auth.client import AuthServiceClient


pytestmark = [pytest.mark.full, needs_postgres]
ADMIN = "admin"
PATIENCE = 1800.0  # seconds: MLflow hashes the password again for each of some hundred requests


@dataclass
class Team:
    """The servers of a team, and its clone.

    Attributes:
        mlflow: the address of the MLflow server.
        database: the address of PostgreSQL.
        passwords: the passwords by account.
        clone: a clone that uses the servers, without an account.
    """

    mlflow: str
    database: str
    passwords: dict[str, str]
    clone: Clone

    def as_(self, account: str) -> Clone:
        """The clone with the credentials of this account."""
        found = Clone(self.clone.root)
        found.environment = self.clone.environment | {
            "MLFLOW_TRACKING_USERNAME": account,
            "MLFLOW_TRACKING_PASSWORD": self.passwords[account],
        }
        return found

    def count(self, database: str, table: str) -> int:
        """The number of rows of a table in a database of PostgreSQL."""
        with (
            closing(psycopg2.connect(f"{self.database}/{database}")) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"select count(*) from {table}")
            return int(cursor.fetchone()[0])


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server with a database for each of the servers."""
    with running_postgres("mlflow", "accounts", "prefect") as address:
        yield address


@pytest.fixture(scope="module")
def team(
    postgres: str, make_clone: Callable[[], Clone], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Team]:
    """The running servers, and a clone that uses them."""
    folder = tmp_path_factory.mktemp("team")
    passwords = {name: secrets.token_urlsafe(16) for name in (ADMIN, "trainer", "releaser")}
    # Without a driver in the address, SQLAlchemy takes another one than psycopg2.
    driven = postgres.replace("postgresql", "postgresql+psycopg2")
    accounts = folder / "accounts.ini"
    accounts.write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = {driven}/accounts\n"
        f"admin_username = {ADMIN}\nadmin_password = {passwords[ADMIN]}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    asynchronous = postgres.replace("postgresql", "postgresql+asyncpg")
    environment = of_its_own(
        folder / "prefect",
        MLFLOW_AUTH_CONFIG_PATH=str(accounts),
        MLFLOW_FLASK_SERVER_SECRET_KEY=secrets.token_hex(16),
        PREFECT_API_DATABASE_CONNECTION_URL=f"{asynchronous}/prefect",
    )
    mlflow = mlflow_served(f"{driven}/mlflow", folder / "artifacts", "--app-name", "basic-auth")
    prefect = prefect_served()
    with ExitStack() as servers:
        for name, one in (("mlflow", mlflow), ("prefect", prefect)):
            servers.enter_context(
                running(one.command, folder / f"{name}.log", environment, one.ready)
            )
        clone = make_clone()
        loosen_gate(clone, canaries=4)
        clone.environment |= {
            "MLFLOW_TRACKING_URI": mlflow.address,
            "PREFECT_API_URL": prefect.address,
        }
        yield Team(mlflow.address, postgres, passwords, clone)


@pytest.fixture(scope="module")
def accounts(team: Team) -> "Iterator[AuthServiceClient]":
    """The administrator's client; the accounts trainer and releaser are made with it."""
    # The import loads a whole server, so it is not done while tests are collected.
    from mlflow.server.auth.client import AuthServiceClient

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_USERNAME", ADMIN)
        patch.setenv("MLFLOW_TRACKING_PASSWORD", team.passwords[ADMIN])
        client = AuthServiceClient(team.mlflow)
        for name in ("trainer", "releaser"):
            client.create_user(name, team.passwords[name])
        yield client


@dataclass
class Release:
    """What the commands of a release printed, and what it added to the databases.

    Attributes:
        promoted: the outputs of both promotions by the release manager.
        refused, undone: the trainer's attempts to promote and to roll back.
        back: the output of the rollback by the release manager.
        added: numbers of new rows by table.
    """

    promoted: tuple[str, str]
    refused: subprocess.CompletedProcess[str]
    undone: subprocess.CompletedProcess[str]
    back: str
    added: dict[str, int]


@pytest.fixture(scope="module")
def release(team: Team, accounts: "AuthServiceClient", shop: Path) -> Release:
    """Two versions are trained and promoted, and the second is rolled back."""
    tables = [("mlflow", "model_versions"), ("prefect", "flow_run")]
    before = {table: team.count(database, table) for database, table in tables}
    trainer, releaser = team.as_("trainer"), team.as_("releaser")
    trainer.run("retrain", "--source", str(shop), timeout=PATIENCE)
    # The release manager notes approvals at the candidates.
    accounts.grant_user_permission("releaser", "registered_model", CANDIDATES, "EDIT")
    releaser.run("approve", "1", "--by", "Rita Release", "--comment", "looks right")
    first = releaser.run("promote", "1").stdout
    trainer.run("retrain", "--source", str(shop), "--set", "train.seed=1", timeout=PATIENCE)
    releaser.run("approve", "2", "--by", "Rita Release")
    refused = trainer.run("promote", "2", check=False)
    undone = trainer.run("rollback", "--reason", "mine is better", "--to", "1", check=False)
    second = releaser.run("promote", "2").stdout
    back = releaser.run("rollback", "--reason", "groups shoes by sole").stdout
    added = {table: team.count(database, table) - before[table] for database, table in tables}
    return Release((first, second), refused, undone, back, added)


def test_retraining_cannot_write_to_production_and_the_release_manager_can(
    team: Team, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "models:/color-variants/1 is the champion" in release.promoted[0]
    assert release.refused.returncode == 1
    assert "error: MLflow does not let the account 'trainer' write" in release.refused.stderr
    assert "Traceback" not in release.refused.stdout + release.refused.stderr
    assert release.undone.returncode == 1
    assert "models:/color-variants/2 is the champion" in release.promoted[1]
    assert "models:/color-variants/1 is the champion again" in release.back

    trainer = team.as_("trainer")
    for name in ("USERNAME", "PASSWORD"):
        monkeypatch.setenv(
            f"MLFLOW_TRACKING_{name}", trainer.environment[f"MLFLOW_TRACKING_{name}"]
        )
    client = MlflowClient(team.mlflow, team.mlflow)
    candidate = client.get_model_version(CANDIDATES, "2")
    for forbidden in (
        lambda: client.copy_model_version(f"models:/{CANDIDATES}/2", PRODUCTION),
        lambda: client.create_model_version(PRODUCTION, str(candidate.source), candidate.run_id),
        lambda: client.set_registered_model_alias(PRODUCTION, "champion", "2"),
        lambda: client.set_model_version_tag(PRODUCTION, "1", "note", "mine"),
        lambda: client.delete_registered_model(PRODUCTION),
    ):
        with pytest.raises(MlflowException, match="403"):
            forbidden()
    versions = client.search_model_versions(f"name = '{PRODUCTION}'")
    assert sorted(str(one.version) for one in versions) == ["1", "2"]
    assert client.get_model_version_by_alias(PRODUCTION, "champion").version == "1"


def test_both_servers_keep_everything_in_postgresql(team: Team, release: Release) -> None:
    assert release.added["model_versions"] == 4  # two candidates, two copies in production
    # Two retrainings and three promotions; a rollback needs no Prefect.
    assert release.added["flow_run"] == 5
    assert team.count("accounts", "users") == 3
    assert not list(team.clone.root.rglob("mlflow.db"))


def test_a_wrong_password_is_reported_without_a_traceback(
    team: Team, accounts: "AuthServiceClient", shop: Path
) -> None:
    stranger = team.as_("trainer")
    stranger.environment["MLFLOW_TRACKING_PASSWORD"] = "not the one"
    refused = stranger.run("retrain", "--source", str(shop), check=False)
    assert refused.returncode == 1
    assert "MLFLOW_TRACKING_USERNAME" in refused.stderr
    assert "Traceback" not in refused.stdout + refused.stderr
