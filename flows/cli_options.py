"""Options that several commands of `variants` take, and the panels of its help."""

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from flows.local.project import Project

# Panels of `variants --help`, in the order of the lifecycle.
TRY = "Try it out"
TRAIN = "Train and evaluate"
RELEASE = "Release"
USE = "Use the champion"
LOOK = "Look"
OPERATE = "Operate"


def example(command: str) -> str:
    """Returns the last lines of a command's help: an example that fits into 80 columns."""
    return f"Example: `variants {command}`"


Source = Annotated[
    str, typer.Option(help="The shop: a folder or fsspec URL (format: docs/data-format.md).")
]
Columns = Annotated[
    str,
    typer.Option(
        help="The shop's names of columns, such as sku=product_id,vendor=brand; -=gender is a "
        "column that it does not have. A shop.yaml in the shop may say the same."
    ),
]
By = Annotated[str, typer.Option(help="Who does this; default: git's user name.")]
Version = Annotated[
    str, typer.Argument(help="The candidate: a version number, or @challenger for the newest.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs, not a table for people.")
]


def print_found(found: Any, as_json: bool, table: Callable[[Any], None], nothing: str = "") -> None:
    """Prints what was found: as JSON, as a table, or in words if there is nothing."""
    if as_json:
        print(json.dumps(found, indent=2))
    elif found or not nothing:
        table(found)
    else:
        print(nothing)


def print_aside(line: str) -> None:
    """Prints a line that is no result: to standard error."""
    print(line, file=sys.stderr, flush=True)


def signer(project: Project, by: str) -> str:
    """Returns who signs; without a name it says whose name is taken."""
    from flows.registry.people import person

    return person(project, by, print_aside)
