"""The commands of `variants groups` by which people correct the groups of a catalogue."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_groups import groups
from flows.cli_options import AsJson, By, example, print_found, signer
from flows.local.project import Project, find_project

Left = Annotated[str, typer.Argument(help="Id of a product.")]
Right = Annotated[str, typer.Argument(help="Id of another product of its block.")]
Group = Annotated[str, typer.Argument(help="Id of the group, as in groups.csv.")]
Of = Annotated[
    str, typer.Option("--catalogue", help="Name of the catalogue; default: the only one.")
]
Why = Annotated[str, typer.Option(help="Why; kept with the correction.")]
WhyLocked = Annotated[str, typer.Option(help="Why; kept with the lock.")]
WhyUnlocked = Annotated[str, typer.Option(help="Why; kept with the end of the lock.")]
NEXT = "in force from the next `variants group` on"


@groups.command(epilog=example('groups same 1000017 1000342 --by Ada --why "one print"'))
def same(left: Left, right: Right, catalogue: Of = "", by: By = "", why: Why = "") -> None:
    """Says that two products are one design in two colours.

    The newest word about a pair counts. It holds in every grouping from now on, whatever model
    groups, and teaches the next retraining.
    """
    _say(left, right, True, catalogue, by, why)


@groups.command(epilog=example("groups different 1000017 1000342 --by Ada"))
def different(left: Left, right: Right, catalogue: Of = "", by: By = "", why: Why = "") -> None:
    """Says that two products are of two designs. See `variants groups same`."""
    _say(left, right, False, catalogue, by, why)


@groups.command(epilog=example("groups withdraw 1000017 1000342 --by Ada"))
def withdraw(left: Left, right: Right, catalogue: Of = "", by: By = "", why: Why = "") -> None:
    """Takes back what was said about two products: models decide about them again.

    The words stay in the history. A group that they made changes at the next grouping only if the
    evidence exceeds the margin; `variants group --regroup` groups without memory.
    """
    from flows.corrections import withdraw as run

    project = find_project()
    found = run(project, _of(project, catalogue), left, right, signer(project, by), why)
    print(f"{found['standing']} corrections of {found['catalogue']} stand; {NEXT}")


@groups.command(epilog=example("groups correct corrections.csv --by Ada"))
def correct(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or Parquet: left, right, same (1, 0 or withdrawn), by, when, why."
        ),
    ],
    catalogue: Of = "",
    by: By = "",
) -> None:
    """Takes over a file of corrections: all of its rows, or none if one of them is wrong.

    Rows without `by` or `when` are yours, of now.
    """
    from flows.corrections import correct as run

    project = find_project()
    found = run(project, _of(project, catalogue), file, signer(project, by))
    print(f"{found['rows']} corrections of {found['catalogue']} are kept; {NEXT}")


@groups.command(epilog=example("groups lock g24tcjddqj2dnidten57 --by Ada --why checked"))
def lock(group: Group, catalogue: Of = "", by: By = "", why: WhyLocked = "") -> None:
    """Locks a group: nothing joins it and nothing leaves it until it is unlocked."""
    _lock(group, True, catalogue, by, why)


@groups.command(epilog=example("groups unlock g24tcjddqj2dnidten57 --by Ada"))
def unlock(group: Group, catalogue: Of = "", by: By = "", why: WhyUnlocked = "") -> None:
    """Unlocks a group: models decide about its products again."""
    _lock(group, False, catalogue, by, why)


@groups.command(epilog=example("groups corrections --catalogue my-shop"))
def corrections(catalogue: Of = "", as_json: AsJson = False) -> None:
    """Lists the corrections and locks that stand, and what became of each."""
    from flows.corrections import corrections_of
    from flows.display.corrections import corrections_table

    project = find_project()
    found = corrections_of(project, _of(project, catalogue))
    print_found(found, as_json, corrections_table)


def _say(left: str, right: str, is_same: bool, catalogue: str, by: str, why: str) -> None:
    from flows.corrections import say

    project = find_project()
    found = say(project, _of(project, catalogue), left, right, is_same, signer(project, by), why)
    print(f"{found['standing']} corrections of {found['catalogue']} stand; {NEXT}")


def _lock(group: str, holds: bool, catalogue: str, by: str, why: str) -> None:
    from flows.corrections import lock as run

    project = find_project()
    found = run(project, _of(project, catalogue), group, signer(project, by), why, holds)
    done = "locked with" if holds else "no longer locked; it has"
    print(f"group {group} is {done} its {len(found['members'])} products")


def _of(project: Project, catalogue: str) -> str:
    from flows.corrections import only_catalogue

    return catalogue or only_catalogue(project)
