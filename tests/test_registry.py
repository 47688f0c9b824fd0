"""A registry is whole or absent, and the newest candidate is the challenger."""

import subprocess
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.registry.tracking import connect, permitted
from flows.registry.versions import challenge
from ml.core.errors import UserError
from ml.core.leftovers import mark


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    # MLflow sets this variable itself, for child processes; the test's value ends with the test.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    return Project(tmp_path)


def candidate(client: MlflowClient, project: Project) -> str:
    return str(client.create_model_version("candidates", (project.room / "model").as_uri()).version)


def test_the_challenger_is_the_newest_candidate_whichever_is_named_last(project: Project) -> None:
    client = connect(project)
    client.create_registered_model("candidates")
    first, second = candidate(client, project), candidate(client, project)
    for named, wanted in ((first, first), (second, second), (first, second)):
        challenge(client, client.get_model_version("candidates", named))
        assert str(client.get_model_version_by_alias("candidates", "challenger").version) == wanted


def test_a_store_whose_making_was_killed_is_made_anew(project: Project) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    left = project.room / f".mlflow.db.{mark().partition('-')[0]}-{gone.pid}.part"
    project.room.mkdir()
    left.write_bytes(b"half a database")
    assert connect(project).search_registered_models() == []
    assert not left.exists()
    assert (project.room / "mlflow.db").is_file()


def test_a_missing_permission_names_the_account_and_other_failures_are_left_alone(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "trainer")
    with pytest.raises(UserError, match="the account 'trainer'"), permitted(project):
        raise MlflowException(
            "API request to endpoint X failed with error code 403 != 200. Permission denied"
        )
    with pytest.raises(MlflowException, match="error code 500"), permitted(project):
        raise MlflowException("API request to endpoint X failed with error code 500 != 200")
