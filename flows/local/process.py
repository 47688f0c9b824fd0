"""Runs a command and logs its output line by line."""

import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flows.local.git import TOOLS, clean_environment
from flows.local.outages import FULL, says_full
from ml.core.credentials import without_credentials
from ml.core.errors import UserError, visible

TAIL = 60  # last lines of the output that an error keeps


class CommandError(RuntimeError):
    """A command failed.

    Attributes:
        code: exit code.
        tail: the last lines of its output, at most 60.
    """

    def __init__(self, command: Sequence[str], code: int, tail: list[str]) -> None:
        super().__init__(without_credentials(f"`{' '.join(command)}` exited with {code}"))
        self.code, self.tail = code, tail


def program_path() -> str:
    """Returns PATH with this interpreter's programs first, as in an activated environment."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def environment_of(more: Mapping[str, str]) -> dict[str, str]:
    """Returns the variables of a process that uses this interpreter's programs, with some more."""
    settings = {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return clean_environment() | TOOLS | settings | dict(more) | {"PATH": program_path()}


def stream(
    command: Sequence[str],
    folder: Path,
    log: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> None:
    """Runs a command with this interpreter's programs first on PATH.

    The command gets a process group of its own. However this call ends, the whole group is killed.

    Args:
        command: program and arguments.
        folder: the command's working folder.
        log: called with each line as soon as the command prints it, on either stream, without
            credentials.
        environment: variables to set in addition to those of this process.

    Raises:
        CommandError: the command failed.
        UserError: the command failed because the disk is full.
    """
    tail: deque[str] = deque(maxlen=TAIL)
    with subprocess.Popen(
        command,
        cwd=folder,
        env=environment_of(environment or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                tail.append(visible(without_credentials(line.rstrip("\n"))))
                log(tail[-1])
            code = process.wait()
        finally:
            _kill(process.pid)
    if code and says_full(tail):
        raise UserError(FULL)
    if code:
        raise CommandError(command, code, list(tail))


def _kill(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
