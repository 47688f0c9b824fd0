"""The environment that the tools run in: quiet, local, and with refusals that are logged as plain words."""

import logging
import os

import psutil

from flows.local.outages import outage
from flows.local.project import find_project
from ml.core.errors import UserError

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
STARTED_BY = (
    "VARIANTS_STARTED_BY"  # environment variable that names the command which started a process
)


def set_up() -> None:
    """Keeps the tools from reporting to their makers, Prefect's state in the project, and their logs plain.

    The command line and every flow call it first; a second call changes nothing. A variable that is
    set already stays. Prefect reads its settings when it is imported, so the command line calls
    this before it imports a flow.
    """
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    os.environ.setdefault(
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS", "120"
    )  # busy machines need more than 20
    os.environ.setdefault(
        "PREFECT_CLIENT_MAX_RETRIES", "7"
    )  # 2 + 4 + … + 128 s, about as patient as MLflow's client
    _filter_logs()
    try:
        room = find_project().room
    except UserError:
        return  # commands that need the project say so themselves
    os.environ[STARTED_BY] = f"{os.getpid()} {psutil.Process().create_time()} {room}"
    if "PREFECT_HOME" not in os.environ:
        os.environ["PREFECT_HOME"] = str(room / "prefect")
        (room / "prefect").mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder only


class PlainRefusals(logging.Filter):
    """Takes the traceback off a logged UserError or outage: it is a message to a person, not a crash."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UserError) or outage(error):
            record.exc_info, record.exc_text = None, None
            record.msg, record.args = str(error), ()
        return True


class NoServerTalk(logging.Filter):
    """Drops Prefect's lines about the temporary server, whose last one would hide the error above it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is about something else."""
        return "temporary server" not in record.getMessage()


def _filter_logs() -> None:
    # MLflow announces each table that it creates, and logs the traceback of each error that it also
    # raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    filters = {
        "prefect": NoServerTalk,
        "prefect.flow_runs": PlainRefusals,
        "prefect.task_runs": PlainRefusals,
    }
    for name, kind in filters.items():
        logger = logging.getLogger(name)
        if not any(isinstance(one, kind) for one in logger.filters):
            logger.addFilter(kind())
