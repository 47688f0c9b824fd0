"""What runs that died left behind: found, made use of by the next run of the same recipe, and removed."""

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from filelock import Timeout
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.environment import STARTED_BY
from flows.local.project import Project
from flows.local.worktree import Worktree, life, notes_file, remove_worktree, worktrees
from ml.core.files import read_json, remove
from ml.core.paths import TRAINED

TEMPORARY = "prefect.server.api.server:create_app"  # on the command line of the server that Prefect starts for a command
CHECKPOINT = TRAINED / "checkpoint.pt"


@dataclass(frozen=True)
class DeadRun:
    """A worktree whose run is dead.

    Attributes:
        facts: what the run had noted: `recipe`, and `run` once it had one in MLflow.
    """

    name: str
    root: Path
    facts: dict[str, Any]


def dead_runs(project: Project) -> list[DeadRun]:
    """Worktrees that no living run holds, oldest first."""
    folder = project.room / "worktrees"
    names = {*worktrees(project), *(one.stem for one in folder.glob("*.json"))}
    found = []
    for name in sorted(names):
        try:
            with life(project, name).acquire(timeout=0):
                pass
        except Timeout:
            continue  # it lives
        notes = notes_file(project, name)
        found.append(DeadRun(name, folder / name, read_json(notes) if notes.is_file() else {}))
    return found


def orphans(project: Project) -> list[psutil.Process]:
    """Temporary Prefect servers of this project's commands that were killed: nobody is left to end them."""
    return [process for process in psutil.process_iter() if _is_orphan(process, project)]


def _is_orphan(process: psutil.Process, project: Project) -> bool:
    try:
        if TEMPORARY not in process.cmdline():
            return False
        mark, parent = _mark(process), process.parent()
        starter, started, room = mark.split(" ", 2)
        held = parent is not None and _mark(parent) == mark  # by `prefect server start`
        lives = psutil.pid_exists(int(starter)) and psutil.Process(
            int(starter)
        ).create_time() == float(started)
        return room == str(project.room) and not held and not lives
    except (psutil.Error, OSError, ValueError):
        return False  # not ours, or gone


def _mark(process: psutil.Process) -> str:
    """Which command started a process; empty where none did, or where we may not look, as at the system's first one."""
    try:
        return process.environ().get(STARTED_BY, "")
    except psutil.Error:
        return ""


def salvage(
    project: Project,
    client: MlflowClient,
    worktree: Worktree,
    recipe: str,
    log: Callable[[str], None],
) -> None:
    """Takes over the checkpoint of a dead run of this recipe, and removes such runs, and those that had not got so far."""
    for dead in dead_runs(project):
        if dead.facts.get("recipe") not in (None, recipe):
            continue  # `variants clean` removes it, or the run that takes it over
        stop_processes(dead.root)
        checkpoint, own = dead.root / CHECKPOINT, worktree.root / CHECKPOINT
        if checkpoint.is_file() and not own.is_file():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(checkpoint, own)
            log(f"the run {dead.name} died in training: this one goes on from its checkpoint")
        clear(project, client, dead)


def clean(project: Project, client: MlflowClient) -> list[str]:
    """Removes what dead runs left; returns their names, and what servers were ended."""
    dead, servers = dead_runs(project), orphans(project)
    end(servers)
    for one in dead:
        stop_processes(one.root)
        clear(project, client, one)
    return [one.name for one in dead] + [
        f"a temporary Prefect server (process {one.pid})" for one in servers
    ]


def clear(project: Project, client: MlflowClient, dead: DeadRun) -> None:
    """Removes a dead run's worktree and branch, and ends its run in MLflow; what became a version keeps its branch."""
    run = dead.facts.get("run")
    versions = client.search_model_versions(f"run_id = '{run}'") if run else []
    remove_worktree(project, dead.name, keep_branch=bool(versions))
    remove(Path(life(project, dead.name).lock_file))
    if run:
        with suppress(MlflowException):  # somebody deleted it
            # Packaging a model ends the run by itself: FINISHED says nothing where no version came
            # of it.
            client.set_terminated(run, "FINISHED" if versions else "KILLED")


def stop_processes(root: Path) -> None:
    """Kills what still works in a worktree: the stages of a flow that was killed go on without it."""
    end([process for process in psutil.process_iter() if _works_in(process, root)])


def _works_in(process: psutil.Process, root: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(root)
    except (psutil.Error, OSError):
        return False  # not ours, or gone


def end(processes: list[psutil.Process]) -> None:
    """Kills processes and waits until they are gone."""
    for process in processes:
        try:
            process.kill()
            process.wait(timeout=10)
        except psutil.Error:
            continue  # gone already
