"""The experiment has a note and saved views, no empty one stands beside it, and runs show more."""

import json
import re
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient
from PIL import Image

from flows.local.project import Project
from flows.registry import links
from flows.registry.experiment import EMPTY, EXPERIMENT, NOTE, front_page, open_experiment
from flows.registry.machine_metrics import watching_machine
from flows.registry.run_record import log_mistakes
from flows.registry.saved_views import CURVES, TAG
from flows.registry.tracking import connect
from ml.core.paths import EVALUATED, TRAINED


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, MlflowClient]:
    """A project with a new store, whose experiment was opened twice."""
    with pytest.MonkeyPatch.context() as variables:
        variables.setenv("MLFLOW_TRACKING_URI", "")
        project = Project(tmp_path_factory.mktemp("opened"))
        client = connect(project)
        assert open_experiment(project, client, print) == open_experiment(project, client, print)
    return project, client


def test_the_note_leads_to_every_saved_view_in_the_mode_of_trained_models(
    opened: tuple[Project, MlflowClient],
) -> None:
    tags = opened[1].get_experiment_by_name(EXPERIMENT).tags
    views = {name.removeprefix(TAG) for name in tags if name.startswith(TAG)}
    asked = [parse_qs(urlsplit(link).query) for link in re.findall(r"\(#(/\S+)\)", tags[NOTE])]
    assert {one["viewStateShareKey"][0] for one in asked} == views == {"releases", "curves"}
    assert all(one["workflowType"] == ["machine_learning"] for one in asked)


def test_the_address_that_is_printed_first_leads_to_the_releases(
    opened: tuple[Project, MlflowClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = opened[1]
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    assert front_page(client) == (
        f"#/experiments/{experiment}/runs?workflowType=machine_learning&viewStateShareKey=releases"
    )
    monkeypatch.setattr(client, "get_experiment_by_name", lambda name: None)
    assert front_page(client) == "#/experiments?workflowType=machine_learning"


def test_a_view_saved_by_us_has_the_form_of_one_saved_by_hand(
    opened: tuple[Project, MlflowClient],
) -> None:
    tags = opened[1].get_experiment_by_name(EXPERIMENT).tags
    for name in ("releases", "curves"):
        view = json.loads(tags[f"{TAG}{name}"])
        assert {name: type(value) for name, value in view.items()} == {
            "name": str,
            "createdAt": int,
            "updatedAt": int,
            "state": str,
        }
        assert len(tags[f"{TAG}{name}"]) < 5000  # what a tag of an experiment holds
    charts = json.loads(json.loads(tags[f"{TAG}curves"])["state"])["compareRunCharts"]
    assert [chart["metricKey"] for chart in charts] == list(CURVES)


def test_a_view_is_brought_up_to_date_and_a_note_that_people_wrote_stays(
    opened: tuple[Project, MlflowClient],
) -> None:
    project, client = opened
    identity = client.get_experiment_by_name(EXPERIMENT).experiment_id
    ours = client.get_experiment(identity).tags
    client.set_experiment_tag(identity, f"{TAG}releases", "of an older version")
    client.set_experiment_tag(identity, NOTE, "ours now")
    open_experiment(project, client, print)
    assert client.get_experiment(identity).tags == ours | {NOTE: "ours now"}
    client.set_experiment_tag(identity, NOTE, "")
    open_experiment(project, client, print)
    assert client.get_experiment(identity).tags == ours


def test_the_empty_experiment_goes_when_ours_is_made_and_one_with_runs_stays(
    opened: tuple[Project, MlflowClient],
) -> None:
    active = [one.name for one in opened[1].search_experiments()]
    assert active == [EXPERIMENT]
    project, client = opened
    ours = client.get_experiment_by_name(EXPERIMENT).experiment_id
    empty = client.get_experiment_by_name(EMPTY).experiment_id
    client.restore_experiment(empty)
    run = client.create_run(empty).info.run_id
    client.delete_run(run)  # it can be restored
    client.rename_experiment(ours, "elsewhere")
    open_experiment(project, client, print)
    assert {one.name for one in client.search_experiments()} >= {EMPTY, EXPERIMENT}
    assert client.search_runs([empty], run_view_type=ViewType.ALL)


def test_a_run_shows_how_busy_the_machine_was_and_nothing_of_disk_and_network(
    opened: tuple[Project, MlflowClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    monkeypatch.setenv("MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL", "0.1")
    project = opened[0]
    client = connect(project)
    run = client.create_run(open_experiment(project, client, print)).info.run_id
    until = time.monotonic() + 30
    with watching_machine(run):
        while not client.get_run(run).data.metrics and time.monotonic() < until:
            time.sleep(0.1)
    shown = client.get_run(run).data.metrics
    assert "system/cpu_utilization_percentage" in shown
    assert all(name.startswith("system/") for name in shown)
    assert not [name for name in shown if "disk" in name or "network" in name]


def test_a_run_shows_its_mistakes_as_images_of_the_epoch_that_was_kept(
    opened: tuple[Project, MlflowClient], tmp_path: Path
) -> None:
    client = opened[1]
    run = client.create_run(open_experiment(*opened, print)).info.run_id
    for folder in (TRAINED, EVALUATED / "sheets"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / TRAINED / "encoder.json").write_text('{"epoch": 3}')
    for kind in ("false_positives", "false_negatives"):
        Image.new("RGB", (40, 20)).save(tmp_path / EVALUATED / f"sheets/{kind}.png")
    log_mistakes(client, run, tmp_path)
    shown = [one.path.split("+")[:3] for one in client.list_artifacts(run, "images")]
    for kind in ("false_positives", "false_negatives"):
        assert [f"images/mistakes~{kind}", "step", "3"] in shown
    assert client.get_run(run).data.tags["mlflow.loggedImages"] == "True"


def test_words_of_an_address_are_quoted() -> None:
    assert links.version_link("a model/1", "2").startswith("#/models/a%20model%2F1/versions/2?")
    assert "runs/r/artifacts/snapshot_diff/diff%20a.html?" in links.run_link(
        "1", "r", "snapshot_diff/diff a.html"
    )
