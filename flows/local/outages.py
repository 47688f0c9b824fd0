"""Trouble that comes from outside, told apart from crashes of our own: whoever sees it can mend it."""

import errno
import os
from collections.abc import Iterable, Iterator

import httpx

from ml.core.command import DISK_FULL

FULL = (
    "No space left on device: make room, and give the same command again; what was finished is kept"
)
AWAY = (
    "Prefect's server does not answer any more. Nothing is lost: what the stages made is in DVC's cache, and the same command "
    "goes on once the server is back (or without it: unset PREFECT_API_URL)"
)
DISK = (*DISK_FULL, "database or disk is full")  # the system's words, and sqlite's
REACH = "Failed to reach API at"  # Prefect's words


def outage(error: BaseException | None) -> str | None:
    """What is wrong and what to do, where a full disk or a server that is away is behind an error; None otherwise."""
    for one in _causes(error):
        if getattr(one, "errno", None) in (errno.ENOSPC, errno.EDQUOT) or says_full([str(one)]):
            return FULL
        if isinstance(one, httpx.TransportError) or REACH in str(one):
            return AWAY
        import requests  # here: MLflow, which asks with it, has imported it by then, and no command starts later for it

        if isinstance(one, (requests.ConnectionError, requests.Timeout)):
            return unanswered()
    return None


def unanswered() -> str:
    """What to do where MLflow's server, which only MLFLOW_TRACKING_URI can name, is away."""
    return (
        f"MLflow at {os.environ.get('MLFLOW_TRACKING_URI')} does not answer any more. Nothing is lost: what the stages made is in "
        "DVC's cache, and the same command records it once the server is back"
    )


def says_full(lines: Iterable[str]) -> bool:
    """Whether a command's output tells of a full disk."""
    return any(words in line for line in lines for words in DISK)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
