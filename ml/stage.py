"""How a stage runs alone: `python -m ml.STAGE --help`."""

import sys
from collections.abc import Callable
from typing import Any

import typer

from ml.errors import UserError


def run_stage(main: Callable[..., Any]) -> None:
    """Runs `main` as a command; its typed arguments become options. A `UserError` is shown in one line, exit code 1."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(help=main.__doc__)(main)
    try:
        app()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None
