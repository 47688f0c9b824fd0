"""A registry with versions whose files are there but empty, for tests that ask no model."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, project_of
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.git import git
from flows.local.project import Project
from flows.registry.audit_trail import note_event
from flows.registry.champion_to_beat import champion_to_beat
from flows.registry.experiment import open_experiment
from flows.registry.model_files import FOLDER, NEEDED
from flows.registry.production import copy_to_production, move_champion
from flows.registry.tracking import connect
from flows.registry.trail_memory import FILE
from flows.registry.verified_files import DECISION, FILES, digest_of, digest_on_record, hashes_of
from flows.registry.versions import CHALLENGER
from ml.promote.policy import ModelNames

FIRST, SECOND = f"models:/{PRODUCTION}/1", f"models:/{PRODUCTION}/2"
NAMES = ModelNames(candidates=CANDIDATES, production=PRODUCTION)
JUDGED = {
    "gate": "passed",
    "gate_champion": "none",
    "dirty": "false",
    "commit": "c0ffee",
    "branch": "retrain/1",
    "recipe": "bread",
}


def hollow_model(folder: Path) -> Path:
    """Makes a folder that looks like a model of this project, with empty files; returns it."""
    (folder / FOLDER).mkdir(parents=True)
    for name in NEEDED:
        (folder / FOLDER / name).touch()
    (folder / "notes.txt").touch()
    (folder / FOLDER / "grouping.json").write_text('{"threshold": 0.2, "baselines": {}}')
    return folder


def add_candidate(client: MlflowClient, model: Path, **tags: str) -> ModelVersion:
    """Registers a candidate that the gate has decided about, as a retraining does.

    Args:
        client: of the registry.
        model: the folder of its model.
        tags: replace those of `JUDGED`.
    """
    tags, served = JUDGED | tags, client.tracking_uri.startswith("http")
    runs = client.get_experiment_by_name("made up")
    place = None if served else (model.parent.parent / "runs").as_uri()
    experiment = runs.experiment_id if runs else client.create_experiment("made up", place)
    info, source = client.create_run(experiment).info, str(model)
    run = info.run_id
    if served:  # a server takes no folder of this machine
        client.log_artifacts(run, source, "model")
        source = f"{info.artifact_uri}/model"
    version = client.create_model_version(CANDIDATES, source, run, tags=tags)
    facts = {"verdict": tags["gate"], "champion": tags["gate_champion"]}
    hashes = hashes_of(client, version)
    facts[FILES] = digest_of(hashes)
    client.log_dict(run, {FILES: hashes}, DECISION)
    note_event(client, version, "decision", "gate", **facts)
    client.set_registered_model_alias(CANDIDATES, CHALLENGER, version.version)
    return version


def add_champion(client: MlflowClient, candidate: ModelVersion, replaced: str) -> ModelVersion:
    """Makes a candidate the champion and notes it, as a promotion does.

    Args:
        client: of the registry.
        candidate: the candidate.
        replaced: number of the production version that it replaces, or "none".
    """
    copied = copy_to_production(client, NAMES, candidate)
    move_champion(client, NAMES, str(copied.version), {"replaced": replaced})
    facts = {"candidate": f"models:/{CANDIDATES}/{candidate.version}", "replaced": replaced}
    facts[FILES] = digest_on_record(client, candidate) or ""
    note_event(client, copied, "promotion", "Rita", also=CANDIDATES, **facts)
    return client.get_model_version(PRODUCTION, copied.version)


def lived_project(root: Path) -> Project:
    """Makes a project with three candidates: two were promoted, the third is the challenger.

    The second production version is the champion, and the gate has passed the third candidate
    against it. `restored` restores its `.variants` for each test from the folder `saved` beside it.
    """
    project = project_of(root, "dvc.yaml", "params.yaml", "mlflow/promotion.yaml", ".gitignore")
    with pytest.MonkeyPatch.context() as variables:
        variables.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = connect(project)
        open_experiment(project, client, print)
        client.create_registered_model(CANDIDATES)
        for number, champion in enumerate(("none", FIRST, SECOND), start=1):
            model = hollow_model(root / f".variants/models/{number}")
            tags = {"gate_champion": champion, "commit": git(root, "rev-parse", "HEAD")}
            one = add_candidate(client, model, recipe=f"bread {number}", **tags)
            if number < 3:
                add_champion(client, one, "none" if number == 1 else "1")
    shutil.copytree(project.room, root.parent / "saved")
    return project


@dataclass
class Registry:
    """A copy of the registry that a test may spoil."""

    project: Project
    client: MlflowClient

    def version(self, name: str, number: int) -> ModelVersion:
        """A version of a registered model."""
        return self.client.get_model_version(name, str(number))

    def files(self, number: int) -> Path:
        """The folder of the model of a candidate, and of its copy in production."""
        return self.project.room / "models" / str(number)

    def new(self) -> ModelVersion:
        """A further candidate that the gate has passed."""
        numbers = [int(one.name) for one in (self.project.room / "models").iterdir()]
        number = max([*numbers, 3]) + 1
        against = champion_to_beat(self.client, NAMES).uri
        if not self.client.search_registered_models(f"name = '{CANDIDATES}'"):
            self.client.create_registered_model(CANDIDATES)
        model = hollow_model(self.project.room / f"models/{number}")
        tags = {"gate_champion": against, "commit": self.version_commit()}
        return add_candidate(self.client, model, recipe=f"bread {number}", **tags)

    def version_commit(self) -> str:
        """The commit that every version names."""
        return git(self.project.root, "rev-parse", "HEAD")


def restored(lived: Project) -> Registry:
    """The registry of a lived project as it was made, whatever an earlier test has done to it."""
    saved = lived.root.parent / "saved"
    for folder in ("models", "foreign"):
        shutil.rmtree(lived.room / folder, ignore_errors=True)
    shutil.copytree(saved / "models", lived.room / "models")
    # MLflow keeps connections to the store, so its content is replaced, and not the file.
    with (
        closing(sqlite3.connect(saved / "mlflow.db")) as before,
        closing(sqlite3.connect(lived.room / "mlflow.db")) as now,
    ):
        before.backup(now)
    (lived.room / FILE).unlink(missing_ok=True)  # a clone remembers what the registry has lost
    return Registry(lived, connect(lived))


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose registry has lived; see `lived_project`."""
    return lived_project(tmp_path_factory.mktemp("lived") / "project")


@pytest.fixture(name="registry")
def restored_registry(lived: Project, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of `lived` as it was made, in whose project commands run."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(lived.root)
    return restored(lived)
