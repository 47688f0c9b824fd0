"""Runs a stage as a command: `python -m ml.STAGE --help`."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from ml.core.errors import UserError, visible

DISK_FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]


def run_stage(main: Callable[..., Any]) -> None:
    """Runs `main` as a command; its typed arguments become options."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=main.__doc__)(main)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Runs a command line and ends it with exit code 1 after an error that the user can mend.

    Such errors are `UserError` and a full disk. They are printed to standard error in a few lines,
    without a traceback. Every other error is raised.
    """
    try:
        app()
    except UserError as error:
        print(f"error: {visible(str(error))}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        # The words are compared since the error of a copy of many files has no errno.
        words = next((words for words in DISK_FULL if words in str(error)), None)
        if words is None:
            raise
        place = visible(str(error.filename or Path.cwd()))
        print(f"error: {words}: '{place}' cannot be written", file=sys.stderr)
        raise SystemExit(1) from None
