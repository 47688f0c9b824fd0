"""One retraining from its worktree to its registered version, and the ways in which it may end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

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
    """What a retraining has made so far; how it is closed depends on it.

    Attributes:
        worktree: where it works.
        run_id: its run in MLflow, once there is one.
        version: the candidate that it registered, once there is one.
    """

    worktree: Worktree
    run_id: str | None = None
    version: ModelVersion | None = None


@contextmanager
def retraining(
    project: Project,
    client: MlflowClient,
    allow_dirty: bool,
    show_refusal: Callable[[UserError], None],
) -> Iterator[Retraining]:
    """Opens a worktree for a retraining, and closes it in the way that its end asks for.

    - A *success* and a *refusal* of bad input remove the worktree; the branch stays if a version
      was registered. The run of a refused one is deleted.
    - A *crash* ends the run as FAILED and removes the worktree as well.
    - An *outage* (a server that is away, a full disk) leaves everything as it is: the next run of
      the same recipe takes it over.

    Args:
        show_refusal: called with a refusal before it is raised again.

    Raises:
        UserError: a refusal, or an outage in words.
    """
    made = Retraining(open_worktree(project, allow_dirty))
    try:
        yield made
    except UserError as refusal:
        if outage(refusal):
            made.worktree.leave()
            raise
        show_refusal(refusal)
        if made.run_id:
            client.delete_run(made.run_id)
        made.worktree.close(keep_branch=made.version is not None)
        raise
    except BaseException as error:
        gone = isinstance(error, Exception) and not answers(project)
        words = unanswered() if gone else outage(error)
        if words:
            made.worktree.leave()
            raise UserError(words) from error
        if made.run_id:
            client.set_terminated(made.run_id, "FAILED")
        made.worktree.close(keep_branch=made.version is not None)
        raise
    made.worktree.close(keep_branch=made.version is not None)


@contextmanager
def alone_with(project: Project, recipe: str, log: Callable[[str], None]) -> Iterator[None]:
    """Lets one retraining of a recipe run at a time in a clone; the next one waits and says so.

    The second then finds the version that the first has registered. The system frees the lock of a
    retraining that dies.
    """
    folder = project.room / "recipes"
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / f"{recipe}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        log(
            f"another retraining of the same recipe ({recipe[:12]}) is under way: this one waits for "
            "it, and takes its version if it succeeds"
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()
