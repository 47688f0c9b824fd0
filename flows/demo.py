"""`variants demo`: the life of a model on a generated shop, told in nine steps."""

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console

from flows.display.terminal import console
from flows.local.project import Project
from ml.core.errors import UserError

SHOP, GROWN = ".variants/demo-shop", ".variants/demo-shop-grown"
# The same seed with more products gives the same shop after a delivery of new goods.
PRODUCTS, GROWN_PRODUCTS = 240, 480  # enough test pairs to prove that the second model is as good
SMALL = ("--set", "prepare.side=48", "--set", "train.epochs=0")
TRAINED = ("--set", "prepare.side=96", "--set", "train.epochs=2")
UNTRAINED = ("--set", "prepare.side=96", "--set", "train.epochs=0")
BY = ("--by", "Ada")

Status = dict[str, Any]  # what `variants status --json` prints


@dataclass(frozen=True)
class Step:
    """One step of the story.

    Attributes:
        title: what happens.
        minutes: how long it takes on 2 quiet cores.
        commands: arguments of `variants`, in order.
        possible: whether the story has come to where this step makes sense, by the status.
        otherwise: what is said instead if it has not.
    """

    title: str
    minutes: float
    commands: tuple[tuple[str, ...], ...]
    possible: Callable[[Status], bool] = lambda status: True
    otherwise: str = ""


def waits(status: Status) -> bool:
    """Returns whether the newest candidate waits for people, so that it may become the champion."""
    return any(
        one["version"] == status["challenger"] and one["command"] for one in status["pending"]
    )


def replaced_another(status: Status) -> bool:
    """Returns whether the champion is the newest, and replaced another one."""
    newest = status["production"][0] if status["production"] else {}
    return newest.get("version") == status["champion"] and newest.get("replaced", "none") != "none"


def promotion(title: str, comment: str) -> Step:
    """Returns the step in which people let the newest candidate serve."""
    approve = ("approve", "@challenger", *BY, "--comment", comment)
    promote = ("promote", "@challenger", *BY)
    otherwise = "The newest candidate does not wait for anybody: the gate refused it, or it serves."
    return Step(title, 0.5, (approve, promote), waits, otherwise)


STEPS = (
    Step("A shop", 0.2, (("generate", SHOP, "--products", str(PRODUCTS)),)),
    Step(
        "A first model, of small pictures and untrained",
        1.2,
        (("retrain", "--source", SHOP, *SMALL),),
    ),
    promotion("Ada approves it, and it serves", "demo: better than no model"),
    Step(
        "New goods arrive, and a model is trained on them",
        3.0,
        (
            ("generate", GROWN, "--products", str(GROWN_PRODUCTS)),
            ("retrain", "--source", GROWN, *TRAINED),
        ),
    ),
    promotion(
        "It is as good and knows the new goods, so it replaces the first",
        "demo: its groups look right",
    ),
    Step("The champion groups the catalogue", 0.6, (("group", "--source", GROWN),)),
    Step(
        "A third model learns nothing: the gate refuses it",
        1.0,
        (("retrain", "--source", GROWN, *UNTRAINED),),
    ),
    Step(
        "Somebody finds a fault in the champion: the one before serves again",
        0.2,
        (("rollback", "--reason", "demo: groups shoes by their soles", *BY),),
        replaced_another,
        "No champion has replaced another, so there is none to go back to.",
    ),
    Step("What serves, and all that happened", 0.1, (("status",), ("history",))),
)


def demo(project: Project) -> None:
    """Tells the story; what an earlier, interrupted demo has finished is not done again.

    Raises:
        UserError: a command failed (its output is above), or no model serves at the end.
    """

    def run(*command: str) -> bool:
        called = [sys.executable, "-m", "flows.cli", *command]
        return subprocess.run(called, cwd=project.root, check=False).returncode == 0

    def look() -> Status:
        called = [sys.executable, "-m", "flows.cli", "status", "--json"]
        output = subprocess.run(called, cwd=project.root, check=True, capture_output=True).stdout
        found: Status = json.loads(output)
        return found

    made = [name for name in (SHOP, GROWN) if (project.root / name).exists()]
    tell(STEPS, run, look, made, console())
    program = program_name()
    console().print(
        f"groups      {project.room / 'groups/groups.html'}\n"
        f"pages       {program} ui          (runs, reports, models; Prefect's flows)\n"
        f"state       {program} status      (what serves, what waits and for which command)\n"
        f"your shop   {program} retrain --source FOLDER      (its format: docs/data-format.md)\n"
        "the end     make uninstall      (removes models, branches and tags of these runs)",
        soft_wrap=True,
    )


def tell(
    steps: tuple[Step, ...],
    run: Callable[..., bool],
    look: Callable[[], Status],
    made: list[str],
    screen: Console,
) -> None:
    """Runs the steps, with their number, the time that is left, and commands that can be copied.

    Args:
        steps: of the story.
        run: runs `variants` with arguments; returns whether it succeeded.
        look: returns the status.
        made: folders of shops that exist, which are not generated again.
        screen: where the story is told.

    Raises:
        UserError: as `demo`.
    """
    started, done = time.monotonic(), 0.0
    for number, step in enumerate(steps, start=1):
        left = time_left(steps, number, time.monotonic() - started, done)
        screen.rule(f"step {number} of {len(steps)} · about {left:.0f} min left", style="bold")
        screen.print(step.title, style="bold")
        if not step.possible(look()):
            screen.print(step.otherwise)
            continue
        for command in step.commands:
            shown = f"{program_name()} {shlex.join(command)}"
            screen.print(f"    {shown}", style="cyan", soft_wrap=True)
            if command[0] == "generate" and command[1] in made:
                screen.print("It is there already.")
            elif not run(*command):
                raise UserError(f"the demo stopped at `{shown}`; its error is above")
        done += step.minutes
    if not look()["champion"]:
        raise UserError(
            "the gate refused every candidate, so nothing serves: `variants status` gives the "
            "reasons"
        )
    screen.rule(f"done in {(time.monotonic() - started) / 60:.1f} min", style="bold")


def time_left(steps: tuple[Step, ...], number: int, elapsed: float, done: float) -> float:
    """Returns the minutes that are left before step `number`, at the pace of this machine so far.

    Args:
        steps: of the story.
        number: of the step that begins, from 1.
        elapsed: seconds since the story began.
        done: minutes that the finished steps take on 2 quiet cores.
    """
    pace = max(1.0, elapsed / 60 / done) if done > 0.5 else 1.0
    return max(1.0, pace * sum(step.minutes for step in steps[number - 1 :]))


def program_name() -> str:
    """Returns how a person calls `variants` here, whether or not its environment is activated."""
    return "variants" if shutil.which("variants") else ".venv/bin/variants"
