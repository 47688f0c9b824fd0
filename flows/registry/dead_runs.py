"""Dead runs: finds them, lets the next run of the same recipe use them, and removes them."""

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
from flows.local.scratch import scratch_room
from flows.local.worktree import Worktree, life, notes_file, remove_worktree, worktrees
from ml.core.files import read_json, remove
from ml.core.leftovers import remove_leftovers
from ml.core.paths import SNAPSHOT, TRAINED

# Part of the command line of the temporary server that Prefect starts for a command.
TEMPORARY = "prefect.server.api.server:create_app"
CHECKPOINT = TRAINED / "checkpoint.pt"


@dataclass(frozen=True)
class DeadRun:
    """A worktree whose run is dead.

    Attributes:
        name: ID of the run.
        root: top folder of the worktree, which may be gone.
        facts: the run's notes: `recipe`, and `run` once the run had an MLflow run; both are ids.
    """

    name: str
    root: Path
    facts: dict[str, Any]


def dead_runs(project: Project) -> list[DeadRun]:
    """Returns the worktrees that no living run holds, oldest first.

    In a read-only checkout nobody can tell by the locks, and the result is empty.
    """
    if project.reads_only:
        return []
    folder = project.room / "worktrees"
    names = {*worktrees(project), *(one.stem for one in folder.glob("*.json"))}
    found = []
    for name in sorted(names):
        try:
            with life(project, name).acquire(timeout=0):
                pass
        except Timeout:
            continue  # its run is alive
        notes = notes_file(project, name)
        found.append(DeadRun(name, folder / name, read_json(notes) if notes.is_file() else {}))
    return found


def orphans(project: Project) -> list[psutil.Process]:
    """Finds temporary Prefect servers whose command, one of this project, was killed."""
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
        return False  # a process without our mark, one of another user, or one that has ended


def _mark(process: psutil.Process) -> str:
    """Returns which command started a process; empty if none did, or if we may not read it."""
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
    """Moves the checkpoint of a dead run of the same recipe into a worktree, and removes that run.

    Dead runs that have no recipe yet are removed too; those of other recipes stay.

    Args:
        worktree: the worktree of the run that goes on.
        recipe: its recipe.
        log: called with a line for each checkpoint that is taken over.
    """
    for dead in dead_runs(project):
        if dead.facts.get("recipe") not in (None, recipe):
            continue  # `variants clean` removes it, or the next run of its recipe does
        stop_processes(dead.root)
        checkpoint, own = dead.root / CHECKPOINT, worktree.root / CHECKPOINT
        if checkpoint.is_file() and not own.is_file():
            own.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(checkpoint, own)
            log(f"the run {dead.name} died in training: this run goes on from its checkpoint")
        clear(project, client, dead)


def clean(project: Project, client: MlflowClient) -> list[str]:
    """Removes all dead runs, temporary servers, and unfinished files of killed commands.

    Returns:
        A name for each, to show to a person.
    """
    dead, servers = dead_runs(project), orphans(project)
    end(servers)
    for one in dead:
        stop_processes(one.root)
        clear(project, client, one)
    places = (project.room, scratch_room(project), project.root / SNAPSHOT.parent)
    left = [place / name for place in places for name in remove_leftovers(place)]
    return [
        *(one.name for one in dead),
        *(f"a temporary Prefect server (process {one.pid})" for one in servers),
        *(str(one.relative_to(project.root)) for one in left),
    ]


def clear(project: Project, client: MlflowClient, dead: DeadRun) -> None:
    """Removes a dead run's worktree and ends its MLflow run; only a version keeps its branch."""
    run = dead.facts.get("run")
    versions = client.search_model_versions(f"run_id = '{run}'") if run else []
    remove_worktree(project, dead.name, keep_branch=bool(versions))
    remove(Path(life(project, dead.name).lock_file))
    if run:
        with suppress(MlflowException):  # somebody deleted the run
            # Packaging a model sets the run to FINISHED, even if no version is registered later.
            crashed = client.get_run(run).info.status == "FAILED"
            ended = "FAILED" if crashed else "KILLED"
            client.set_terminated(run, "FINISHED" if versions else ended)


def stop_processes(root: Path) -> None:
    """Kills all processes in a worktree, since stages go on when their flow is killed."""
    end([process for process in psutil.process_iter() if _works_in(process, root)])


def _works_in(process: psutil.Process, root: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(root)
    except (psutil.Error, OSError):
        return False  # another user's process, or one that has ended


def end(processes: list[psutil.Process]) -> None:
    """Kills processes and waits until they have ended."""
    for process in processes:
        try:
            process.kill()
            process.wait(timeout=10)
        except psutil.Error:
            continue  # it has ended already
