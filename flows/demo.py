"""`variants demo`: the whole lifecycle on a generated shop, every command shown as a user would type it."""

import json
import subprocess
import sys
import time
from typing import Any

from rich.console import Console

from flows.local.project import Project
from ml.core.errors import UserError

SHOP, GROWN = ".variants/demo-shop", ".variants/demo-shop-grown"
QUICK = (
    "--set",
    "prepare.side=96",
    "--set",
    "train.epochs=2",
)  # small pictures, and more epochs of a small shop
PRODUCTS, GROWN_PRODUCTS = (
    360,
    480,
)  # the same seed with more products: the shop after a delivery of new goods


def demo(project: Project) -> None:
    """Runs generate → retrain → approve → promote → retrain on a changed shop → promote if the gate lets it → group.

    Raises:
        UserError: a step failed; its output is above.
    """
    console = Console(highlight=False)
    started = time.monotonic()

    def step(words: str, *command: str) -> None:
        console.rule(f"[bold]{words}")
        console.print(f"[bold]$ variants {' '.join(command)}")
        if subprocess.run(
            [sys.executable, "-m", "flows.cli", *command], cwd=project.root, check=False
        ).returncode:
            raise UserError(
                f"the demo stopped at `variants {' '.join(command)}`; its error is above"
            )

    def standing() -> dict[str, Any]:
        command = [sys.executable, "-m", "flows.cli", "status", "--json"]
        found: dict[str, Any] = json.loads(
            subprocess.run(command, cwd=project.root, check=True, capture_output=True).stdout
        )
        return found

    def waiting() -> bool:
        """Whether the newest candidate passed the gate and does not serve yet."""
        found = standing()
        newest = next(one for one in found["candidates"] if one["version"] == found["challenger"])
        serving: dict[str, str] = next(
            (one for one in found["production"] if one["version"] == found["champion"]), {}
        )
        return newest.get("gate") == "passed" and not serving.get("candidate", "").endswith(
            f"/{newest['version']}"
        )

    for words, shop, products in (
        ("A shop to try things on", SHOP, PRODUCTS),
        ("The shop after a delivery of new goods", GROWN, GROWN_PRODUCTS),
    ):
        if not (project.root / shop).exists():
            step(words, "generate", shop, "--products", str(products))
        step(
            "Snapshot, contract, prepare, train, embed, evaluate, register, gate",
            "retrain",
            "--source",
            shop,
            *QUICK,
        )
        if waiting():
            comment = "demo: the gate passed it"
            step(
                "The gate lets it pass: a person may too",
                "approve",
                "@challenger",
                "--by",
                "you",
                "--comment",
                comment,
            )
            step("It serves from now on", "promote", "--by", "you")
        else:
            console.print("The gate did not let it pass, or it serves already: nothing to promote.")
    if not standing()["champion"]:
        raise UserError(
            "the gate refused both models, so none serves; `variants status` names their decisions"
        )
    step("The champion groups the catalogue", "group", "--source", GROWN)
    step("Where things stand", "status")
    step("What has happened", "history")
    console.rule(f"[bold]Done in {(time.monotonic() - started) / 60:.1f} minutes. Where to look")
    console.print(
        f"groups of the catalogue   {project.room / 'groups/groups.html'}\n"
        "runs, models, reports     .venv/bin/variants ui    (MLflow on http://127.0.0.1:5000, Prefect on :4200)\n"
        "trigger from the page     .venv/bin/variants serve (in another shell)\n"
        "your own shop             .venv/bin/variants retrain --source FOLDER   (format: docs/data-format.md)",
        soft_wrap=True,
    )
