"""Real commands on a real registry that people have changed by hand, with and without a server."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, loosen_gate
from mlflow.tracking import MlflowClient
from servers import mlflow_served, of_its_own

from flows.local.servers import running
from flows.registry.experiment import EXPERIMENT

pytestmark = pytest.mark.full


@pytest.fixture(scope="module")
def lived(make_clone: Callable[[], Clone], shop: Path) -> Clone:
    """A clone whose second version replaced the first as champion, with a challenger; read only."""
    clone = make_clone()
    loosen_gate(clone)
    live(clone, shop)
    return clone


def live(clone: Clone, shop: Path) -> None:
    """Promotes two candidates and leaves a third one that the gate has passed."""
    for seed in ("1", "2"):
        retrain(clone, shop, seed)
        clone.run("approve", seed, "--by", "Rita")
        clone.run("promote", seed)
    retrain(clone, shop, "3")


def retrain(clone: Clone, shop: Path, seed: str) -> str:
    return clone.run("retrain", "--source", str(shop), "--set", f"train.seed={seed}").stdout


def collect(clone: Clone, store: str) -> None:
    """Removes for good what is deleted, with MLflow's own command."""
    subprocess.run(
        [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", store],
        env=clone.environment | {"MLFLOW_TRACKING_URI": str(clone.client.tracking_uri)},
        cwd=clone.root.parent,
        check=True,
        capture_output=True,
    )


def delete_run(client: MlflowClient, name: str, number: str) -> None:
    client.delete_run(str(client.get_model_version(name, number).run_id))


def delete_experiment(client: MlflowClient) -> None:
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)


def delete_logged_model(client: MlflowClient, number: str) -> None:
    source = client.get_model_version(CANDIDATES, number).source
    client.delete_logged_model(str(source).removeprefix("models:/"))


def delete_files(client: MlflowClient, number: str) -> None:
    place = client.get_model_version_download_uri(CANDIDATES, number)
    shutil.rmtree(place.removeprefix("file://"))


def register_by_hand(client: MlflowClient, folder: Path) -> None:
    (folder / "MLmodel").write_text("flavors: {}\n")
    version = client.create_model_version(PRODUCTION, str(folder))
    client.set_registered_model_alias(PRODUCTION, "champion", version.version)


# state → what a person does, whether `mlflow gc` follows, words of `variants status`
STATES: dict[str, tuple[Callable[[MlflowClient, Path], object], bool, str]] = {
    "the champion's run is collected": (
        lambda client, folder: delete_run(client, PRODUCTION, "2"),
        True,
        "the run of models:/color-variants/2 was deleted for good",
    ),
    "the challenger's run is collected": (
        lambda client, folder: delete_run(client, CANDIDATES, "3"),
        True,
        "the run of models:/color-variants-candidates/3 was deleted for good",
    ),
    "the experiment is deleted": (
        lambda client, folder: delete_experiment(client),
        False,
        "the experiment 'color-variants' was deleted",
    ),
    "the experiment is collected": (
        lambda client, folder: delete_experiment(client),
        True,
        "was deleted for good",
    ),
    "the champion's logged model is collected": (
        lambda client, folder: delete_logged_model(client, "2"),
        True,
        "models:/color-variants/2 serves, but its files are gone",
    ),
    "the challenger's files are gone": (
        lambda client, folder: delete_files(client, "3"),
        False,
        "the model of models:/color-variants-candidates/3 cannot be used",
    ),
    "the production model is deleted": (
        lambda client, folder: client.delete_registered_model(PRODUCTION),
        False,
        "the production model 'color-variants' was deleted",
    ),
    "the candidates are renamed": (
        lambda client, folder: client.rename_registered_model(CANDIDATES, "mine"),
        False,
        "was renamed to 'mine'",
    ),
    "foreign files serve": (
        lambda client, folder: register_by_hand(client, folder),
        False,
        "models:/color-variants/3 serves, but its files are gone",
    ),
    "the champion's version is deleted": (
        lambda client, folder: client.delete_model_version(PRODUCTION, "2"),
        False,
        "nothing serves, since somebody has deleted models:/color-variants/2",
    ),
}


@pytest.mark.parametrize("name", STATES)
def test_after_what_people_did_retrain_approve_and_promote_succeed(
    lived: Clone, shop: Path, tmp_path: Path, name: str
) -> None:
    clone = lived.copy(tmp_path / "project")
    does, collected, words = STATES[name]
    (tmp_path / "foreign").mkdir()
    does(clone.client, tmp_path / "foreign")
    if collected:
        collect(clone, f"sqlite:///{clone.root}/.variants/mlflow.db")
    goes_on(clone, shop, words)


def goes_on(clone: Clone, shop: Path, words: str) -> None:
    """Holds that status names a state, and that the same retraining leads to a champion again."""
    found = json.loads(clone.run("status", "--json").stdout)["problems"]
    assert any(words in one["state"] for one in found), found
    made = retrain(clone, shop, "3")
    assert "the gate passes it" in made
    clone.run("approve", "@challenger", "--by", "Rita")
    promoted = clone.run("promote").stdout
    served = clone.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert f"models:/{PRODUCTION}/{served.version} is the champion" in promoted
    assert (
        served.tags["commit"]
        == clone.client.get_model_version_by_alias(CANDIDATES, "challenger").tags["commit"]
    )
    after = json.loads(clone.run("status", "--json").stdout)["problems"]
    assert not any("serves" in one["state"] for one in after), after


def test_a_version_without_its_run_is_reproduced_and_one_without_files_says_so(
    lived: Clone, tmp_path: Path
) -> None:
    clone = lived.copy(tmp_path / "project")
    delete_run(clone.client, PRODUCTION, "2")
    again = json.loads(clone.run("reproduce", f"models:/{PRODUCTION}/2", "--json").stdout)
    assert (again["verdict"], again["figures"]) == ("equal bytes", 0.0)  # of DVC's cache
    delete_files(clone.client, "1")
    lost = clone.run("reproduce", f"models:/{PRODUCTION}/1", check=False)
    assert lost.returncode == 1
    assert "not reproducible; models:/color-variants/1 cannot be used: its files" in lost.stdout


def test_the_same_holds_with_a_server(
    make_clone: Callable[[], Clone], shop: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path}/server.db"
    served = mlflow_served(store, tmp_path / "artifacts")
    environment = of_its_own(tmp_path / "prefect")
    with running(served.command, tmp_path / "mlflow.log", environment, served.ready):
        clone = make_clone()
        loosen_gate(clone)
        clone.environment["MLFLOW_TRACKING_URI"] = served.address
        live(clone, shop)
        delete_run(clone.client, PRODUCTION, "2")
        collect(clone, store)
        goes_on(clone, shop, "the run of models:/color-variants/2 was deleted for good")
        shutil.rmtree(next((tmp_path / "artifacts").glob("*/models")))
        clone.client.delete_registered_model_alias(PRODUCTION, "champion")
        goes_on(clone, shop, "nothing serves, since somebody has removed the alias")
