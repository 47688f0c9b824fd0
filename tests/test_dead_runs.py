"""Dead runs are found, their checkpoints are used, and they are removed; living runs stay."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT
from faults import working_in
from mlflow.tracking import MlflowClient

from flows.local.environment import STARTED_BY
from flows.local.git import git
from flows.local.project import Project
from flows.local.worktree import open_worktree
from flows.registry.dead_runs import CHECKPOINT, TEMPORARY, clean, dead_runs, end, orphans, salvage
from ml.core.leftovers import mark

RUN = """
import subprocess, sys, time
from pathlib import Path
from flows.local.project import Project
from flows.local.git import git
from flows.local.worktree import open_worktree
worktree = open_worktree(Project(Path(sys.argv[1])), allow_dirty=False)
worktree.note(recipe="bread", run=sys.argv[2])
checkpoint = worktree.root / "artifacts/train/checkpoint.pt"
checkpoint.parent.mkdir(parents=True)
checkpoint.write_text("of the dead run")
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleep, cwd=worktree.root, start_new_session=True)
print(worktree.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def project(empty_project: Project) -> Project:
    return empty_project


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
    assert dead_runs(project) == []  # it lives
    process.send_signal(signal.SIGKILL)
    process.wait()
    return name, run


def test_the_same_recipe_goes_on_from_the_dead_runs_checkpoint_and_leaves_nothing_of_it(
    project: Project, client: MlflowClient, dead: tuple[str, str]
) -> None:
    name, run = dead
    assert [one.name for one in dead_runs(project)] == [name]
    folder = project.room / "worktrees" / name
    assert len(working_in(folder)) == 1
    worktree = open_worktree(project, allow_dirty=False)
    said: list[str] = []
    salvage(project, client, worktree, "bread", said.append)
    assert (worktree.root / CHECKPOINT).read_text() == "of the dead run"
    assert name in said[0]
    assert working_in(folder) == []
    assert client.get_run(run).info.status == "KILLED"
    worktree.close(keep_branch=False)
    assert list((project.room / "worktrees").iterdir()) == []
    assert git(project.root, "branch", "--list", "retrain/*") == ""
    assert len(git(project.root, "worktree", "list").splitlines()) == 1


def test_another_recipe_leaves_a_dead_run_to_clean(
    project: Project, client: MlflowClient, dead: tuple[str, str]
) -> None:
    worktree = open_worktree(project, allow_dirty=False)
    salvage(project, client, worktree, "cake", lambda line: None)
    assert not (worktree.root / CHECKPOINT).exists()
    ended = subprocess.Popen(["true"])
    ended.wait()
    left = project.room / f"tmp/reproduce.{mark().partition('-')[0]}-{ended.pid}.x1y2"
    left.mkdir(parents=True)
    assert clean(project, client) == [dead[0], str(left.relative_to(project.root))]
    assert clean(project, client) == []
    assert worktree.root.is_dir()  # it lives
    worktree.close(keep_branch=True)
    assert git(project.root, "branch", "--list", "retrain/*").strip() == worktree.branch


def test_a_temporary_server_is_ended_when_its_command_is_dead_and_not_before(
    project: Project,
) -> None:
    starter = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    mark = f"{starter.pid} {psutil.Process(starter.pid).create_time()} {project.room}"
    sleep = [sys.executable, "-c", "import time; time.sleep(600)", TEMPORARY]
    server = subprocess.Popen(sleep, env=os.environ | {STARTED_BY: mark})
    try:
        deadline = time.monotonic() + 30
        # The new process shows this test's command line until it has started Python.
        while TEMPORARY not in psutil.Process(server.pid).cmdline():
            assert time.monotonic() < deadline
        assert orphans(project) == []
        starter.kill()
        starter.wait()
        assert [one.pid for one in orphans(project)] == [server.pid]
        assert orphans(Project(project.root / "another")) == []
        end(orphans(project))
        assert not psutil.pid_exists(server.pid)
    finally:
        for process in (starter, server):
            process.kill()
            process.wait()
