"""`variants demo`: runs the whole lifecycle on a generated shop and shows each command."""

import json
import shlex
import subprocess
import sys
import time
from typing import Any

from rich.console import Console

from flows.local.project import Project
from ml.core.errors import UserError

SHOP, GROWN = ".variants/demo-shop", ".variants/demo-shop-grown"
# Small pictures; more epochs than the default, since the shop is small.
QUICK = ("--set", "prepare.side=96", "--set", "train.epochs=2")
# The same seed with more products gives the same shop after a delivery of new goods.
PRODUCTS, GROWN_PRODUCTS = 360, 480


def demo(project: Project) -> None:
    """Runs generate → retrain → approve → promote, then all again on a grown shop, then group.

    A candidate that the gate refuses is not approved and not promoted.

    Raises:
        UserError: a step failed (its output is above), or the gate refused both candidates.
    """
    console = Console(highlight=False, markup=False, emoji=False)
    started = time.monotonic()

    def step(words: str, *command: str) -> None:
        console.rule(words, style="bold")
        shown = f"variants {shlex.join(command)}"
        console.print(f"$ {shown}", style="bold", soft_wrap=True)
        run = [sys.executable, "-m", "flows.cli", *command]
        if subprocess.run(run, cwd=project.root, check=False).returncode:
            raise UserError(f"the demo stopped at `{shown}`; its error is above")

    def status() -> dict[str, Any]:
        run = [sys.executable, "-m", "flows.cli", "status", "--json"]
        output = subprocess.run(run, cwd=project.root, check=True, capture_output=True).stdout
        found: dict[str, Any] = json.loads(output)
        return found

    def named(versions: list[dict[str, str]], number: str | None) -> dict[str, str]:
        """Returns the version of a number, without anything in it if there is none."""
        return next((one for one in versions if one["version"] == number), {})

    def may_be_promoted() -> bool:
        """Returns whether the newest candidate passed the gate and is not the champion yet."""
        found = status()
        newest = named(found["candidates"], found["challenger"])
        champion = named(found["production"], found["champion"])
        source = champion.get("candidate", "")
        return newest.get("gate") == "passed" and not source.endswith(f"/{newest['version']}")

    for words, shop, products in (
        ("A generated shop", SHOP, PRODUCTS),
        ("The shop after a delivery of new goods", GROWN, GROWN_PRODUCTS),
    ):
        if not (project.root / shop).exists():
            step(words, "generate", shop, "--products", str(products))
        stages = "Snapshot, contract, prepare, train, embed, evaluate, register, gate"
        step(stages, "retrain", "--source", shop, *QUICK)
        if may_be_promoted():
            by, comment = ("--by", "you"), ("--comment", "demo: the gate passed it")
            step("A person approves it too", "approve", "@challenger", *by, *comment)
            step("The candidate becomes the champion", "promote", *by)
        else:
            console.print("Nothing to promote: the gate refused it, or it is the champion already.")
    if not status()["champion"]:
        raise UserError(
            "the gate refused both candidates, so there is no champion: `variants status` lists "
            "them, and gate/decision.md in each run gives the reasons"
        )
    step("The champion groups the catalogue", "group", "--source", GROWN)
    step("The state of the registry", "status")
    step("The audit trail", "history")
    console.rule(
        f"Done in {(time.monotonic() - started) / 60:.1f} minutes. Where to look", style="bold"
    )
    console.print(
        f"groups of the catalogue    {project.room / 'groups/groups.html'}\n"
        "runs, models and reports   .venv/bin/variants ui\n"
        "                           (MLflow on http://127.0.0.1:5000, Prefect on port 4200)\n"
        "flows on Prefect's page    .venv/bin/variants serve (in another shell)\n"
        "your own shop              .venv/bin/variants retrain --source FOLDER\n"
        "                           (its format: docs/data-format.md)",
        soft_wrap=True,
    )
