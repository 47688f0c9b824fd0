"""The frame of a retraining: it opens a worktree and closes it as the end of the run requires."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.outages import outage, unanswered
from flows.local.project import Project
from flows.local.worktree import Worktree, open_worktree
from flows.registry.tracking import answers
from ml.core.errors import UserError


@dataclass
class Retraining:
    """What a retraining has made so far, which decides how it is closed.

    Attributes:
        worktree: of the retraining.
        run_id: MLflow run id, as soon as there is a run.
        version: the registered candidate, as soon as there is one.
    """

    worktree: Worktree
    run_id: str | None = None
    version: ModelVersion | None = None


@contextmanager
def retraining(
    project: Project,
    client: MlflowClient,
    allow_dirty: bool,
    show_refusal: Callable[[Path, UserError], None],
) -> Iterator[Retraining]:
    """Opens a worktree for a retraining, and closes it as the end of the retraining requires.

    - A *success* removes the worktree.
    - A *refusal* of bad input deletes the MLflow run and removes the worktree.
    - A *crash* ends the MLflow run as FAILED and removes the worktree.
    - An *outage* (a server does not answer, the disk is full) leaves everything as it is. The next
      retraining of the same recipe takes it over.

    Whenever the worktree is removed, its branch stays if a version was registered.

    Args:
        allow_dirty: as of the flow `retrain`.
        show_refusal: called with the worktree's top folder and a refusal, before it is raised again
            and the worktree goes.

    Yields:
        What the retraining has made so far; the caller fills it in.

    Raises:
        UserError: a refusal, or a description of an outage.
    """
    made = Retraining(open_worktree(project, allow_dirty))
    try:
        yield made
    except UserError as refusal:
        if outage(refusal):
            made.worktree.leave()
            raise
        show_refusal(made.worktree.root, refusal)
        if made.run_id and made.version is None:  # a version needs its run
            client.delete_run(made.run_id)
        made.worktree.close(keep_branch=made.version is not None)
        raise
    except BaseException as error:
        made.worktree.leave()
        gone = isinstance(error, Exception) and not answers(project)
        words = unanswered() if gone else outage(error)
        if words:
            raise UserError(words) from error
        if made.run_id and isinstance(error, Exception):
            client.set_terminated(made.run_id, "FAILED")
        raise
    made.worktree.close(keep_branch=made.version is not None)


@contextmanager
def alone_with(project: Project, recipe: str, log: Callable[[str], None]) -> Iterator[None]:
    """Lets only one retraining of a recipe run at a time in a clone; the next one waits.

    It then finds the version that the first one has registered. If a retraining dies, the operating
    system frees its lock.

    Args:
        recipe: hash of the recipe.
        log: called with a line if this retraining has to wait.
    """
    folder = project.room / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{recipe}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(
            f"another retraining of the same recipe ({recipe[:12]}) is under way: this one waits "
            "for it, and takes its version if it succeeds"
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
