"""Connects to MLflow and logs to its runs, curves included, while a stage still trains."""

import csv
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import mlflow
from filelock import FileLock
from mlflow.entities import Metric, Param, RunTag
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.access import closed, existing
from flows.local.project import Project
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.files import replacing

PATIENCE = 10.0  # seconds to wait for a tracking server's first answer
POLL = 2.0  # seconds between looks at a growing history


def connect(project: Project) -> MlflowClient:
    """Returns a client of the project's MLflow; makes the embedded store if there is none.

    Raises:
        UserError: the server does not answer, it refuses the account, or the store cannot be
            opened.
    """
    uri = project.mlflow_uri
    if uri.startswith(("http://", "https://")):
        _check_answer(uri)
    store = Path(uri.removeprefix("sqlite:///")) if uri.startswith("sqlite:///") else None
    if store:
        _check_access(store)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        # Several processes that open a fresh sqlite store at once would race in its schema
        # migration, which MLflow runs when a client is made and when the registry is first asked.
        with one_at_a_time(project):
            if store:
                make_store(store)
            client = MlflowClient(uri, uri)
            client.search_registered_models(max_results=1)
            client.search_experiments(max_results=1)
    except Exception as error:  # drivers raise errors of many kinds; each one means: no store
        if "error code 401" in str(error):
            raise UserError(
                f"MLflow at {uri} requires an account, and does not accept this one or its "
                "password: set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            ) from error
        raise UserError(
            f"MLflow cannot be used at {uri}: {error}\n"
            "check the address (MLFLOW_TRACKING_URI), and that this account may write there"
        ) from error
    return client


def one_at_a_time(project: Project) -> AbstractContextManager[object]:
    """Lets one command of this clone at a time change the store's schema and its experiment."""
    if project.reads_only:
        return nullcontext()
    project.room.mkdir(exist_ok=True)
    return FileLock(project.room / "mlflow.lock")


def make_store(database: Path) -> None:
    """Makes the sqlite store if there is none; the file appears whole or not at all.

    MLflow refuses a store whose migrations were interrupted.

    Args:
        database: path of the store.
    """
    if database.is_file():
        return
    with replacing(database) as beside:
        MlflowClient(f"sqlite:///{beside}", f"sqlite:///{beside}").search_registered_models(
            max_results=1
        )


@contextmanager
def permitted(project: Project) -> Iterator[None]:
    """Turns MLflow's refusal of permission inside the block into an error that says what to do.

    Raises:
        UserError: MLflow's authentication does not let this account do what the block does.
    """
    try:
        yield
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED" and "error code 403" not in str(error):
            raise
        account = os.environ.get("MLFLOW_TRACKING_USERNAME", "")
        raise UserError(
            f"MLflow does not let the account '{account}' write there: use another account "
            "(MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD), or ask an administrator of "
            f"{project.mlflow_uri} for the permission"
        ) from error


def answers(project: Project) -> bool:
    """Returns whether MLflow can be reached; the embedded store always can."""
    try:
        if project.mlflow_uri.startswith("http"):
            _check_answer(project.mlflow_uri)
    except UserError:
        return False
    return True


def log_values(
    client: MlflowClient,
    run_id: str,
    model_id: str | None,
    metrics: dict[str, float],
    params: dict[str, Any],
    tags: dict[str, str],
) -> None:
    """Logs params, tags and final metrics in batches.

    Args:
        run_id: the run that everything is logged to.
        model_id: the logged model of the run, to which the metrics are logged too; None for none.
        metrics: values by name, at step 0.
        params: values by name; a text is cut after 6,000 characters.
        tags: values by name.
    """
    entries = [Param(name, str(value)[:6000]) for name, value in params.items()]
    for start in range(0, len(entries), 100):
        client.log_batch(run_id, params=entries[start : start + 100])
    client.log_batch(run_id, tags=[RunTag(name, value) for name, value in tags.items()])
    final = [
        Metric(name, value, int(time.time() * 1000), 0, model_id) for name, value in metrics.items()
    ]
    for start in range(0, len(final), 500):
        client.log_batch(run_id, metrics=final[start : start + 500])


def flatten(content: Any, prefix: str = "") -> dict[str, Any]:
    """Flattens nested mappings to one level, with names joined by dots."""
    if not isinstance(content, dict):
        return {prefix: content}
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= flatten(value, f"{prefix}.{name}" if prefix else str(name))
    return flat


class LiveHistory:
    """Logs the lines of a history file to a run while the file grows, each line once.

    It does not matter whether the stage runs or DVC takes the file from the cache.

    Attributes:
        client, run_id: where the lines are logged.
        file: the CSV file; the column epoch is the step, every other column C a metric epoch.C.
        logged: number of lines that the run has.
    """

    def __init__(self, client: MlflowClient, run_id: str, file: Path) -> None:
        self.client, self.run_id, self.file = client, run_id, file
        steps = [
            entry.step
            for name in ("loss", "dev_block_ap")
            for entry in client.get_metric_history(run_id, f"epoch.{name}")
        ]
        self.logged = max(steps, default=-1) + 1  # line 1 is epoch 0, the initial weights

    def catch_up(self) -> None:
        """Logs the complete lines that are not logged yet; an incomplete last line comes later."""
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        rows = list(csv.DictReader(text[: text.rfind("\n") + 1].splitlines()))
        for row in rows[self.logged :]:
            epoch = int(row.pop("epoch"))
            metrics = [
                Metric(f"epoch.{name}", float(value), int(time.time() * 1000), epoch)
                for name, value in row.items()
                if value
            ]
            self.client.log_batch(self.run_id, metrics=metrics)
            self.logged += 1

    @contextmanager
    def following(self) -> Iterator[None]:
        """Logs new lines in a thread while the block runs the stage, and the rest afterwards.

        The training goes on if the tracking server is away for a while; the lines that it missed
        are logged at the end.
        """
        self.file.unlink(missing_ok=True)
        done = threading.Event()

        def follow() -> None:
            while not done.wait(POLL):
                try:
                    self.catch_up()
                except Exception:
                    continue

        thread = threading.Thread(target=follow, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
        self.catch_up()


def _check_access(store: Path) -> None:
    """Raises UserError if the sqlite store cannot be read, or is missing and cannot be made."""
    if store.is_file():
        if not os.access(store, os.R_OK):
            raise UserError(closed(str(store), "it cannot be read"))
        return
    folder = existing(store.parent)
    if not os.access(folder, os.W_OK):
        raise UserError(
            f"there is no registry at {store}, and this account cannot make one, since it may not "
            f"write into {folder}: set MLFLOW_TRACKING_URI to the address of a server, or to a "
            "store that exists"
        )


def _check_answer(uri: str) -> None:
    """Raises UserError if the server does not answer at all."""
    try:
        # It needs no account, and the library knows none in an address.
        health = f"{without_credentials(uri).rstrip('/')}/health"
        with urllib.request.urlopen(health, timeout=PATIENCE):
            return
    except urllib.error.HTTPError:
        return  # it answers; the first call will show whether it accepts the account
    except (OSError, ValueError) as error:
        raise UserError(
            f"MLflow does not answer at {uri} ({error}): start the server, or correct "
            "MLFLOW_TRACKING_URI, or unset it to use the embedded store"
        ) from error
