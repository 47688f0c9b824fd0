"""How a stage runs alone: `python -m ml.STAGE --help`."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from ml.core.errors import UserError

DISK_FULL = [os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)]


def run_stage(main: Callable[..., Any]) -> None:
    """Runs `main` as a command; its typed arguments become options."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=main.__doc__)(main)
    run_app(app)


def run_app(app: typer.Typer) -> None:
    """Runs a command line; what a person can mend (`UserError`, a full disk) is said in a line or a few, with exit code 1."""
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        words = next(
            (words for words in DISK_FULL if words in str(error)), None
        )  # a copy of many files has no errno
        if words is None:
            raise
        print(
            f"error: {words}: '{error.filename or Path.cwd()}' cannot be written", file=sys.stderr
        )
        raise SystemExit(1) from None
