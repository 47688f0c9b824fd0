"""What a run that was killed leaves is found, made use of and removed; what lives is not touched."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from conftest import CANDIDATES, ROOT, Clone
from mlflow.tracking import MlflowClient

from flows.leftovers import CHECKPOINT, clean, leftovers, salvage
from flows.project import Project, author, git
from flows.workspace import open_workspace

RUN = """
import sys, time
from pathlib import Path
from flows.project import Project
from flows.workspace import open_workspace
workspace = open_workspace(Project(Path(sys.argv[1])), allow_dirty=False)
workspace.note(recipe="bread", run=sys.argv[2])
checkpoint = workspace.root / "artifacts/train/checkpoint.pt"
checkpoint.parent.mkdir(parents=True)
checkpoint.write_text("of the dead run")
import subprocess
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], cwd=workspace.root, start_new_session=True)
print(workspace.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    root = tmp_path / "project"
    git(tmp_path, "init", "--quiet", str(root))
    for name, text in (
        ("dvc.yaml", "stages: {}"),
        ("params.yaml", "{}"),
        (".gitignore", ".variants\nconfig.local\nartifacts\n"),
    ):
        (root / name).write_text(text)
    (root / ".dvc").mkdir()
    (root / ".dvc/config").touch()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "-m", "a project", environment=author(root))
    return Project(root)


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


@pytest.fixture
def dead(project: Project, client: MlflowClient) -> tuple[str, str]:
    """Name and MLflow run of a run that is killed, while a stage of it still works."""
    run = client.create_run(client.create_experiment("dead")).info.run_id
    command = [sys.executable, "-c", RUN, str(project.root), run]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    name = process.stdout.readline().strip()
    assert leftovers(project) == []  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    return name, run


def working_in(folder: Path) -> list[str]:
    """Processes whose current folder is in this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = (process / "cwd").readlink()
        except OSError:
            continue
        found += [process.name] if where.is_relative_to(folder) else []
    return found


def test_the_same_recipe_goes_on_from_the_dead_runs_checkpoint_and_leaves_nothing_of_it(
    project: Project, client: MlflowClient, dead: tuple[str, str]
) -> None:
    name, run = dead
    assert [one.name for one in leftovers(project)] == [name]
    folder = project.room / "worktrees" / name
    assert len(working_in(folder)) == 1
    workspace = open_workspace(project, allow_dirty=False)
    said: list[str] = []
    salvage(project, client, workspace, "bread", said.append)
    assert (workspace.root / CHECKPOINT).read_text() == "of the dead run"
    assert name in said[0]
    assert working_in(folder) == []
    assert client.get_run(run).info.status == "KILLED"
    workspace.close(keep_branch=False)
    assert list((project.room / "worktrees").iterdir()) == []
    assert git(project.root, "branch", "--list", "retrain/*") == ""
    assert len(git(project.root, "worktree", "list").splitlines()) == 1


def test_another_recipe_leaves_a_dead_run_to_clean(
    project: Project, client: MlflowClient, dead: tuple[str, str]
) -> None:
    workspace = open_workspace(project, allow_dirty=False)
    salvage(project, client, workspace, "cake", lambda line: None)
    assert not (workspace.root / CHECKPOINT).exists()
    assert clean(project, client) == [dead[0]]
    assert clean(project, client) == []
    assert workspace.root.is_dir()  # it lives
    workspace.close(keep_branch=True)
    assert git(project.root, "branch", "--list", "retrain/*").strip() == workspace.branch


@pytest.mark.full
@pytest.mark.parametrize("stage", ["validate", "prepare", "train", "embed", "evaluate", "record"])
def test_a_killed_retrain_given_again_ends_in_the_bytes_of_one_that_was_not_killed(
    make_clone: Callable[[], Clone], shop: Path, stage: str
) -> None:
    killed, whole = make_clone(), make_clone()
    command = [sys.executable, "-m", "flows.cli", "retrain", "--source", str(shop), "--set", "train.epochs=4"]
    process = subprocess.Popen(
        command,
        cwd=killed.root,
        env=killed.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    moment = {"train": "epoch 2", "record": "packaging the model"}.get(stage, f"Running stage '{stage}'")
    assert process.stdout is not None
    for line in process.stdout:
        if moment in line:
            break
    else:
        raise AssertionError(f"it ended before '{moment}'")
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert len(killed.status()["dead"]) == 1  # type: ignore[arg-type]
    again = killed.run(*command[3:])
    assert f"registered models:/{CANDIDATES}/1" in again.stdout
    if stage == "train":
        assert "goes on from its checkpoint" in again.stdout + again.stderr
    whole.run(*command[3:])
    locks = [
        yaml.safe_load(clone.git("show", f"{clone.client.get_model_version(CANDIDATES, '1').tags['commit']}:dvc.lock"))
        for clone in (killed, whole)
    ]
    assert locks[0] == locks[1]
    status = killed.status()
    assert (status["dead"], status["worktrees"]) == ([], [])
    assert len(killed.client.search_model_versions(f"name = '{CANDIDATES}'")) == 1
    assert killed.git("status", "--porcelain") == ""
