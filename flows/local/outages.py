"""Outages, unlike crashes, can be mended by a person: a full disk, a server that is away.

So can a place that this account may not write, such as a checkout that is mounted read-only.
"""

import errno
import os
from collections.abc import Iterable, Iterator

from flows.local.access import closed
from ml.core.command import DISK_FULL
from ml.core.credentials import without_credentials

FULL = "No space left on device: make room, and give the same command again; finished work is kept"
AWAY = (
    "Prefect's server does not answer any more. Nothing is lost: DVC's cache holds the results of "
    "the finished stages. Give the same command again once the server is back, or unset "
    "PREFECT_API_URL to go on without it"
)
DISK = (*DISK_FULL, "database or disk is full")  # the messages of the system and of sqlite
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)
READ_ONLY = "attempt to write a readonly database"  # sqlite's message
FILE_CLIENTS = ("aiohttp", "azure", "botocore", "google")  # packages that fsspec's systems use
REACH = "Failed to reach API at"  # Prefect's message


def outage(error: BaseException | None) -> str | None:
    """Returns what is wrong and what to do if an outage caused the error; otherwise None.

    The causes and contexts of the error are searched too.
    """
    for one in _causes(error):
        if getattr(one, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or says_full([str(one)]):
            return FULL
        if isinstance(one, OSError) and one.errno in CLOSED and one.filename:
            return closed(str(one.filename), str(one.strerror))
        if READ_ONLY in str(one):
            return closed("the embedded registry", "it is read-only")
        # Imported here so that no command starts later for them: who raises has imported them.
        import httpx
        import requests

        if isinstance(one, httpx.TransportError) or REACH in str(one):
            return AWAY
        if isinstance(one, (requests.ConnectionError, requests.Timeout)):
            return unanswered()
    return None


def unreachable(error: BaseException) -> str | None:
    """Returns what to do if a server of files, such as one of S3, caused the error; else None.

    A shop and a DVC remote that are away are refused where they are read; this is for the others.
    """
    for one in _causes(error):
        if type(one).__module__.partition(".")[0] in FILE_CLIENTS:
            return (
                f"files at a URL cannot be used: {one}: see whether their server runs and the "
                "credentials are right (VARIANTS_STORE, or MLflow's artifacts), then give the same "
                "command again"
            )
    return None


def unanswered() -> str:
    """Returns what to do if MLflow's server, which only MLFLOW_TRACKING_URI can name, is away."""
    address = without_credentials(os.environ.get("MLFLOW_TRACKING_URI", ""))
    return (
        f"MLflow at {address} does not answer any more. Nothing is "
        "lost: DVC's cache holds the results of the finished stages. Give the same command again "
        "once the server is back"
    )


def says_full(lines: Iterable[str]) -> bool:
    """Returns whether the output of a command reports a full disk."""
    return any(words in line for line in lines for words in DISK)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
