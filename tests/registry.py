"""A registry with versions whose files are there but empty, for tests that ask no model."""

from pathlib import Path

from conftest import CANDIDATES, PRODUCTION
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.registry.audit_trail import note_event
from flows.registry.model_files import FOLDER, NEEDED
from flows.registry.production import copy_to_production, move_champion
from flows.registry.versions import CHALLENGER
from ml.promote.policy import ModelNames

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
    (folder / FOLDER / "grouping.json").write_text('{"threshold": 0.2, "baselines": {}}')
    return folder


def add_candidate(client: MlflowClient, model: Path, **tags: str) -> ModelVersion:
    """Registers a candidate that the gate has decided about, as a retraining does.

    Args:
        client: of the registry.
        model: the folder of its model.
        tags: replace those of `JUDGED`.
    """
    tags = JUDGED | tags
    run = client.create_run("0").info.run_id
    version = client.create_model_version(CANDIDATES, str(model), run, tags=tags)
    facts = {"verdict": tags["gate"], "champion": tags["gate_champion"]}
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
    note_event(client, copied, "promotion", "Rita", also=CANDIDATES, **facts)
    return client.get_model_version(PRODUCTION, copied.version)
