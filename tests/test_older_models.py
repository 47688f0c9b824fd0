"""A model that was registered before the code moved into rooms still loads, serves and is judged.

tests/data/model_before_rooms.tar.xz is the model of a training of seconds (a network of random
weights, a generated shop), as commit df388d6, the last one before the move, has packaged it.
"""

import os
import shutil
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import CANDIDATES, PRODUCTION, ROOT, workplace
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

import ml.prepare.stage
import ml.validate.stage
from flows.evaluate import find_judged
from flows.gate.evidence import gather_evidence
from flows.gate.serving_check import ask
from flows.local.process import program_path
from flows.local.project import Project
from flows.local.servers import free_port, running
from flows.registry.experiment import open_experiment
from flows.registry.remote_predict import embed_with, group_with
from flows.registry.tracking import connect
from flows.registry.versions import CHAMPION, policy_of
from ml.core.files import read_json, write_json
from ml.core.params import load_params
from ml.data.schema import BLOCK
from ml.evaluate.params import EvaluateParams
from ml.promote.decision import CheckKind
from ml.promote.gate import decide

SIDE = 48  # pixels, of the old model's crops


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The old model's folder."""
    folder = tmp_path_factory.mktemp("older")
    with tarfile.open(ROOT / "tests/data/model_before_rooms.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "model"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project folder with what asks a registered model, and an empty registry."""
    root = tmp_path_factory.mktemp("project")
    for name in ("mlflow/score.py", "mlflow/promotion.yaml", "params.yaml"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, root / name)
    return Project(root)


@pytest.fixture(scope="module")
def products(shop: Path) -> pd.DataFrame:
    """Two dozen products of the generated shop, image being a path."""
    table = pd.read_csv(shop / "catalog.csv", dtype=str).head(24)
    return table.assign(image=[str(shop / name) for name in table["image"]])


@pytest.fixture(scope="module")
def embeddings(project: Project, model: Path, products: pd.DataFrame) -> np.ndarray:
    """What the old model embeds, with the code that it carries."""
    return embed_with(project, str(model), products)


def test_the_old_model_carries_the_code_of_before() -> None:
    with tarfile.open(ROOT / "tests/data/model_before_rooms.tar.xz") as archive:
        names = set(archive.getnames())
    assert {"model/code/ml/predict.py", "model/code/ml/train.py"} <= names
    assert "model/code/ml/serve" not in names


def test_it_loads_and_embeds_and_groups(
    project: Project, model: Path, products: pd.DataFrame, embeddings: np.ndarray
) -> None:
    assert len(embeddings) == len(products)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    groups = group_with(project, str(model), products)
    assert list(groups) == ["group", "score", "problem"]
    assert groups["problem"].isna().all()
    assert set(groups["group"]) <= set(products["product_id"])


def test_it_serves_over_http_what_it_embeds(
    model: Path, products: pd.DataFrame, embeddings: np.ndarray, tmp_path: Path
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db",
        "PATH": program_path(),
    }
    ready = f"http://127.0.0.1:{port}/ping"
    with running(command, tmp_path / "serving.log", environment, ready):
        served, _ = ask(f"http://127.0.0.1:{port}/invocations", products[["image", *BLOCK]])
    np.testing.assert_allclose(served, embeddings, atol=1e-5)


@pytest.fixture(scope="module")
def champion(project: Project, model: Path) -> ModelVersion:
    """The old model as candidate 1, and as the champion."""
    client = connect(project)
    run = client.create_run(open_experiment(project, client, print)).info.run_id
    tags = {"dirty": "false", "gate": "passed", "gate_champion": "none"}
    for name in (CANDIDATES, PRODUCTION):
        client.create_registered_model(name)
        client.create_model_version(name, str(model), run, tags=tags)
    client.set_registered_model_alias(PRODUCTION, CHAMPION, "1")
    return client.get_model_version_by_alias(PRODUCTION, CHAMPION)


@pytest.mark.full
def test_it_is_judged_as_champion_and_as_challenger(
    project: Project,
    champion: ModelVersion,
    shop: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = workplace(tmp_path / "work", shop)
    monkeypatch.chdir(root)
    ml.validate.stage.main()
    ml.prepare.stage.main()
    baselines = {name: {"test": {"block_ap": {"value": 0.1}}} for name in ("gray", "imagenet")}
    split = read_json(Path("artifacts/validate/split.json"))
    metrics = {"evaluable": True, "reason": None, "split": split, "model": {}}
    metrics["baselines"] = baselines
    write_json(Path("artifacts/evaluate/metrics.json"), metrics)
    policy = policy_of(project)
    serving = policy.gate.serving.model_copy(update={"canaries": 0})
    gate = policy.gate.model_copy(update={"serving": serving, "baselines": ["gray", "imagenet"]})
    policy = policy.model_copy(update={"gate": gate})
    challenger = connect(project).get_model_version(CANDIDATES, "1")
    lines: list[str] = []
    evidence = gather_evidence(project, policy, root, challenger, champion, tmp_path, lines.append)
    assert evidence.challenger is not None
    assert evidence.champion is not None
    np.testing.assert_equal(evidence.challenger, evidence.champion)  # it is one model
    assert not evidence.fresh
    decision = decide(policy.gate, evidence)
    assert decision.champion_model == f"models:/{PRODUCTION}/1"
    assert CheckKind.PROVEN_GAIN in {check.kind for check in decision.failed}


def test_it_is_evaluated_with_the_crops_and_the_grouping_that_it_holds(
    project: Project, champion: ModelVersion
) -> None:
    params = load_params("evaluate", EvaluateParams, project.root / "params.yaml")
    client: MlflowClient = connect(project)
    client.delete_run(
        str(champion.run_id)
    )  # what a decision needs lies in the model, not in its run
    judged = find_judged(client, project, f"models:/{PRODUCTION}@{CHAMPION}", params)
    assert judged.crop.side == SIDE
    assert judged.clustering == "complete"
    assert 0 < judged.threshold < 2
