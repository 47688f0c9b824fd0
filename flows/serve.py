"""Serves the flows on a Prefect server, where a page, a shell or a schedule triggers them."""

import asyncio
import io
import logging
import os
import sys
import urllib.error
import urllib.request
from contextlib import redirect_stdout
from typing import Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from prefect import serve
from prefect.schedules import Cron, Schedule
from prefect.server.schemas.schedules import CronSchedule

from flows.group import group
from flows.local.project import Project
from flows.promote import promote
from flows.retrain import retrain
from flows.rollback import rollback
from ml.core.credentials import without_credentials
from ml.core.errors import UserError

FLOWS = (retrain, promote, rollback, group)
PATIENCE = 10.0  # seconds for a first answer


def schedule_of(cron: str, timezone: str = "UTC") -> Schedule:
    """Returns a schedule for Prefect.

    Args:
        cron: five fields, such as "0 3 * * 1".
        timezone: IANA name, such as Europe/Berlin.

    Raises:
        UserError: the text is no cron expression, never comes, or the time zone does not exist.
    """
    try:
        ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError(
            f"--timezone must be an IANA name such as Europe/Berlin, not '{timezone}'"
        ) from None
    try:
        asyncio.run(CronSchedule(cron=cron, timezone=timezone).get_dates(1))
    except ValueError:
        raise UserError(
            "--cron must be a time that comes, in five fields (minute, hour, day, month, weekday) "
            f"such as '0 3 * * 1', not '{cron}'"
        ) from None
    return Cron(cron, timezone=timezone)


def refuse_silent(address: str) -> None:
    """Refuses the address of a Prefect API that does not answer.

    Raises:
        UserError: nothing answers there.
    """
    try:
        with urllib.request.urlopen(f"{address.rstrip('/')}/health", timeout=PATIENCE):
            return
    except urllib.error.HTTPError:
        return  # it answers; the first call will show whether it accepts us
    except (OSError, ValueError) as error:
        raise UserError(
            f"Prefect does not answer at {address} ({error}): start the server, or correct "
            "PREFECT_API_URL, or unset it to use the server of `variants ui`"
        ) from None


def serve_flows(project: Project, schedule: Schedule | None, source: str | None) -> None:
    """Serves all flows until the process is interrupted; each deployment bears its flow's name.

    Args:
        schedule: when the flow `retrain` runs by itself; None: never.
        source: folder or fsspec URL of the shop for those runs; None: the commit's snapshot.
    """
    os.chdir(project.root)  # the runner starts flow runs in its own working folder
    deployments = []
    for one in FLOWS:
        scheduled = one is retrain and schedule
        deployments.append(
            one.to_deployment(
                one.name,
                description=one.description,
                tags=["color-variants"],
                parameters={"source": source} if one is retrain and source else None,
                schedule=schedule if scheduled else None,
            )
        )
    logging.setLogRecordFactory(one_line)
    try:
        with redirect_stdout(WithoutTracebacks(sys.stdout)):
            serve(*deployments, limit=2, pause_on_shutdown=False)  # type: ignore[arg-type]
    except Exception:
        refuse_silent(os.environ["PREFECT_API_URL"])
        raise


def one_line(*arguments: Any, **named: Any) -> logging.LogRecord:
    """Makes a record for a log with an error's message instead of its traceback.

    The runner logs errors that it survives, such as those of a server that is away for a while.
    """
    record = logging.LogRecord(*arguments, **named)
    if record.exc_info and record.exc_info[1]:
        words = f"{record.getMessage()} ({record.exc_info[1]})"
        record.msg, record.args = without_credentials(words), ()
        record.exc_info = None
    return record


class WithoutTracebacks(io.TextIOBase):
    """Standard output of Prefect's runner, which prints the tracebacks of errors it survives."""

    def __init__(self, out: TextIO) -> None:
        self.out = out

    def write(self, text: str) -> int:
        """Writes a text, and only the last line of a traceback."""
        shown = text.rstrip().rpartition("\n")[2] if "Traceback (most" in text else text
        self.out.write(shown)
        return len(text)

    def flush(self) -> None:
        """Flushes what was written."""
        self.out.flush()

    def isatty(self) -> bool:
        """Returns whether people read along."""
        return self.out.isatty()
