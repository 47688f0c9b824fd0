"""The environment of the tools: no telemetry, Prefect's state in the project, and plain logs."""

import atexit
import logging
import os
import shutil
import tempfile
from pathlib import Path

import psutil

from flows.local.accounts import separate_accounts
from flows.local.git import clean_environment
from flows.local.outages import outage
from flows.local.project import find_project
from ml.core.credentials import without_credentials
from ml.core.errors import UserError
from ml.core.leftovers import mark

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # The other interface hides *Resume* and *Retry* in a menu, and calls an analytics host.
    "PREFECT_SERVER_UI_V2_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
PATIENT = {
    # Seconds. A busy machine needs more than Prefect's default of 20.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # 2 + 4 + … + 128 seconds: Prefect's client then waits about as long as MLflow's.
    "PREFECT_CLIENT_MAX_RETRIES": "7",
}
LOOPBACK = "127.0.0.1,localhost,::1"  # no proxy reaches the servers of this machine
# How Prefect's lines begin that say that a task began, or that a task or a flow ended.
BOOKKEEPING = ("Created task run", "Finished in state")
# The environment variable that identifies the command which started a process.
STARTED_BY = "VARIANTS_STARTED_BY"


def set_up() -> None:
    """Turns off telemetry, puts Prefect's state into the project and filters the logs.

    The command line and every flow call it first; a second call changes nothing. A variable that is
    set already keeps its value, unless it is an address with a password. Prefect reads its settings
    when it is imported, so the command line calls this before it imports a flow.
    """
    for name, value in (QUIET | PATIENT).items():
        os.environ.setdefault(name, value)
    separate_accounts()
    for name in set(os.environ) - set(clean_environment()):
        del os.environ[name]  # MLflow and DVC call git by themselves
    for name in ("NO_PROXY", "no_proxy"):
        known = os.environ.get(name, "")
        if LOOPBACK not in known:
            os.environ[name] = f"{known},{LOOPBACK}".strip(",")
    _filter_logs()
    try:
        project = find_project()
    except UserError:
        return  # a command that needs the project raises this error itself
    os.environ[STARTED_BY] = f"{os.getpid()} {psutil.Process().create_time()} {project.room}"
    if "PREFECT_HOME" not in os.environ:
        home = project.room / "prefect"
        if project.reads_only:
            home = Path(tempfile.mkdtemp(prefix=f"prefect.{mark()}."))
            atexit.register(shutil.rmtree, home, ignore_errors=True)
        os.environ["PREFECT_HOME"] = str(home)
        home.mkdir(parents=True, exist_ok=True)  # Prefect makes the last folder only


class PlainRefusals(logging.Filter):
    """Removes the traceback of a logged UserError or outage: it is a message to a person."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns true for every record, and replaces the text of those errors by their message."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UserError) or outage(error):
            record.exc_info, record.exc_text = None, None
            record.msg, record.args = str(error), ()
            record.refusal = True
        return True


class NoCredentials(logging.Filter):
    """Takes credentials out of records, and out of the tracebacks of libraries' errors."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns true for every record."""
        record.msg, record.args = without_credentials(record.getMessage()), ()
        if record.exc_info:  # a formatter takes this text instead of making its own
            record.exc_text = without_credentials(
                logging.Formatter().formatException(record.exc_info)
            )
        return True


class NoTemporaryServer(logging.Filter):
    """Drops Prefect's lines about its temporary server; the last one would hide an error above."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether the record is about something else."""
        return "temporary server" not in record.getMessage()


class SaidOnce(logging.Filter):
    """Drops refusals, which the command itself says at its end, and Prefect's bookkeeping."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Returns whether nobody else says it."""
        return not hasattr(record, "refusal") and not record.getMessage().startswith(BOOKKEEPING)


def say_once() -> None:
    """Keeps off the terminal of a command what it says itself; Prefect's page shows all of it."""
    import prefect.main  # noqa: F401 (it sets up the handlers)

    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, SaidOnce) for one in handler.filters):
            handler.addFilter(SaidOnce())


def _filter_logs() -> None:
    # MLflow logs each table that it creates, and the traceback of each error that it also raises.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    filters: dict[str, list[type[logging.Filter]]] = {
        "prefect": [NoTemporaryServer],
        "prefect.flow_runs": [PlainRefusals, NoCredentials],
        "prefect.task_runs": [PlainRefusals, NoCredentials],
    }
    for name, kinds in filters.items():
        logger = logging.getLogger(name)
        for kind in kinds:
            if not any(isinstance(one, kind) for one in logger.filters):
                logger.addFilter(kind())
