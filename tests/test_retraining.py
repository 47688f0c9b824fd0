"""A retraining ends in one of four ways, each of which leaves what the next one needs."""

import errno
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from conftest import ROOT
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.project import Project
from flows.local.worktree import worktrees
from flows.registry.dead_runs import clean, dead_runs
from flows.registry.retraining import Retraining, alone_with, retraining
from ml.core.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from flows.local.project import Project
from flows.registry.retraining import alone_with
with alone_with(Project(Path(sys.argv[1])), "bread", print):
    print("under way", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    return MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")


class Ended:
    """What a retraining that is ended by an error leaves."""

    def __init__(
        self, project: Project, client: MlflowClient, error: BaseException | None, registers: bool
    ) -> None:
        experiment = client.get_experiment_by_name("x")
        number = experiment.experiment_id if experiment else client.create_experiment("x")
        self.run = client.create_run(number).info.run_id
        self.shown: list[str] = []
        self.raised: BaseException | None = None

        def show(root: Path, refusal: UserError) -> None:
            self.shown.append(str(refusal))

        try:
            with retraining(project, client, False, show) as made:
                self.made: Retraining = made
                made.run_id = self.run
                if registers:
                    made.version = ModelVersion("candidates", "1", 0)
                if error:
                    raise error
        except BaseException as raised:
            self.raised = raised
        found = client.get_run(self.run).info
        self.status, self.stage = found.status, found.lifecycle_stage
        self.worktrees = worktrees(project)
        self.branch = bool(project.git("branch", "--list", made.worktree.branch))


@pytest.mark.parametrize("registers", [False, True])
def test_a_success_keeps_the_branch_of_a_registered_version_only(
    empty_project: Project, client: MlflowClient, registers: bool
) -> None:
    ended = Ended(empty_project, client, None, registers)
    assert (ended.raised, ended.shown, ended.worktrees) == (None, [], [])
    assert ended.branch is registers


@pytest.mark.parametrize("registers", [False, True])
def test_a_refusal_is_shown_once_and_leaves_no_run_but_that_of_a_version(
    empty_project: Project, client: MlflowClient, registers: bool
) -> None:
    refusal = UserError("the shop has no pictures")
    ended = Ended(empty_project, client, refusal, registers)
    assert ended.raised is refusal
    assert ended.shown == ["the shop has no pictures"]
    assert ended.stage == ("active" if registers else "deleted")
    assert ended.worktrees == []
    assert ended.branch is registers


class Terminated(BaseException):
    """As Prefect raises when somebody cancels a flow run."""


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), KeyboardInterrupt(), Terminated()])
def test_a_crash_or_an_interruption_leaves_what_sigkill_leaves(
    empty_project: Project, client: MlflowClient, error: BaseException
) -> None:
    ended = Ended(empty_project, client, error, False)
    assert ended.raised is error
    assert ended.shown == []
    crashed = isinstance(error, Exception)
    assert ended.status == ("FAILED" if crashed else "RUNNING")
    assert ended.worktrees == [ended.made.worktree.name]
    assert ended.branch
    ended.made.worktree.note(recipe="bread", run=ended.run)
    assert clean(empty_project, client) == ended.worktrees
    assert client.get_run(ended.run).info.status == ("FAILED" if crashed else "KILLED")
    assert worktrees(empty_project) == []


@pytest.mark.parametrize("wrapped", [False, True])
def test_an_outage_is_told_in_words_and_leaves_everything_for_the_next_run(
    empty_project: Project, client: MlflowClient, wrapped: bool
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    error: Exception = full
    if wrapped:
        error = RuntimeError("a library says nothing of it")
        error.__cause__ = full
    ended = Ended(empty_project, client, error, False)
    assert isinstance(ended.raised, UserError)
    assert "make room" in str(ended.raised)
    assert (ended.shown, ended.status) == ([], "RUNNING")
    assert ended.worktrees == [ended.made.worktree.name]
    assert ended.branch
    assert [one.name for one in dead_runs(empty_project)] == ended.worktrees


def test_the_second_retraining_of_a_recipe_waits_for_the_first_and_says_so(
    empty_project: Project,
) -> None:
    command = [sys.executable, "-c", HOLD, str(empty_project.root)]
    said: list[str] = []
    entered = threading.Event()

    def second() -> None:
        with alone_with(empty_project, "bread", said.append):
            entered.set()

    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "under way\n"
        with alone_with(empty_project, "cake", said.append):
            pass  # another recipe does not wait
        assert said == []
        thread = threading.Thread(target=second)
        thread.start()
        assert not entered.wait(1)
        assert len(said) == 1
        assert "another retraining of the same recipe (bread) is under way" in said[0]
        first.stdin.write("done\n")
        first.stdin.flush()
        assert entered.wait(30)
        thread.join()


def test_a_retraining_that_is_killed_frees_its_recipe(empty_project: Project) -> None:
    command = [sys.executable, "-c", HOLD, str(empty_project.root)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == "under way\n"
        first.kill()
    said: list[str] = []
    with alone_with(empty_project, "bread", said.append):
        assert said == []
