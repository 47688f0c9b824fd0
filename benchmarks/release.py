"""The gate on real photos, command by command: docs/release-example.md.

A first model groups the catalogue, and people correct 200 of its mistakes. Then come a better model
and what it changes in the groups, one with fewer epochs, a rollback, and the promoted one made
again. The corrections are answers of the annotated pairs that the first grouping has wrong.

The module runs the commands of a release manager and of a catalogue manager in a clone of this
checkout's commit, and writes the commands and what they printed to docs/release-example.md. The
pictures stay in the clone, .variants/benchmarks/release.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from textwrap import fill
from typing import Annotated

import pandas as pd
import typer

from benchmarks.checkout import ROOT, WORK
from flows.catalogue.places import store_of
from flows.local.project import Project
from ml.catalogue.store import Store
from ml.catalogue.versions import load_table, newest_number
from ml.core.command import run_app
from ml.data.blocks import block_numbers

PAGE = ROOT / "docs/release-example.md"
PROGRESS = re.compile(r"^[\w ]+: +\d+% \(|INFO|WARNING|temporary server")
AUTHOR, MANAGER, CATALOGUER = "Tia Training", "Rita Release", "Carla Catalogue"
NAME, CORRECTIONS = "photos", 200

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


class Session:
    """A clone, the commands that were run in it, and what they printed."""

    def __init__(self, clone: Path) -> None:
        self.clone = clone
        self.lines: list[str] = []
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PREFECT_", "MLFLOW_"))
        }
        self.environment = kept | {"PYTHONPATH": str(clone), "COLUMNS": "170"}

    @property
    def head(self) -> str:
        """The clone's commit."""
        run = ["git", "rev-parse", "--short", "main"]
        return subprocess.run(
            run, cwd=self.clone, capture_output=True, text=True, check=True
        ).stdout.strip()

    def write(self, words: str) -> None:
        """Adds a paragraph of text."""
        self.lines += ["", words, ""]

    def run(self, *arguments: str, fails: bool = False) -> None:
        """Runs `variants ARGUMENTS` and keeps command, output, exit code and seconds.

        Raises:
            SystemExit: the command ended otherwise than `fails` expects.
        """
        shown = " ".join(f'"{one}"' if " " in one else one for one in arguments)
        print(f"$ variants {shown}", flush=True)
        started = time.monotonic()
        done = self._called(*arguments)
        seconds = time.monotonic() - started
        printed = [
            line
            for line in (done.stdout + done.stderr).splitlines()
            if line.strip() and not PROGRESS.search(line)
        ]
        print("\n".join(printed), f"[exit code {done.returncode}, {seconds:.0f} s]", flush=True)
        if (done.returncode != 0) != fails:
            raise SystemExit(f"not as expected:\n{done.stdout}\n{done.stderr}")
        self.lines += [f"    $ variants {shown}", *(f"    {line}" for line in printed)]
        self.lines += [f"    [exit code {done.returncode}, {seconds:.0f} s]", ""]

    def group(self, photos: str) -> None:
        """Groups the catalogue and writes how many corrections hold."""
        self.run("group", "--source", photos, "--catalogue", NAME, "--by", CATALOGUER)
        done = self._called("groups", "corrections", "--json")
        done.check_returncode()
        states = [one["state"] for one in json.loads(done.stdout)["corrections"]]
        if states:
            self.write(f"Of {len(states)} corrections {states.count('holds')} hold now.")

    def _called(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "flows.cli", *arguments],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def correct(self, source: Path) -> None:
        """Corrects mistakes of the newest grouping that annotated pairs know of."""
        file = self.clone / ".variants/corrections.csv"
        words = known_mistakes(store_of(Project(self.clone)), source)
        words.to_csv(file, index=False)
        self.run("groups", "correct", str(file), "--by", CATALOGUER)

    def decision(self, number: int) -> str:
        """Returns the gate's decision on a candidate as a page, from its run in MLflow."""
        from mlflow.artifacts import load_text
        from mlflow.tracking import MlflowClient

        uri = f"sqlite:///{self.clone}/.variants/mlflow.db"
        client = MlflowClient(uri, uri)
        run = client.get_run(
            str(client.get_model_version("color-variants-candidates", str(number)).run_id)
        )
        page = str(load_text(f"{run.info.artifact_uri}/gate/decision.md"))
        page = re.sub("^#", "###", page, flags=re.MULTILINE)  # below the headings of this page
        return "\n".join(
            line if line.startswith("|") else fill(line, 100) for line in page.split("\n")
        )


def known_mistakes(store: Store, source: Path) -> pd.DataFrame:
    """Draws annotated pairs whose answer is not that of the newest grouping.

    Args:
        source: the shop, with pairs.csv.

    Returns:
        Corrections: left, right, same, why; half of them "1" where there are so many.
    """
    products = load_table(store, NAME, newest_number(store, NAME) or 0, "products")
    group = products.set_index("product_id")["group"]
    block = pd.Series(block_numbers(products), group.index)
    pairs = pd.read_csv(source / "pairs.csv", dtype=str)
    ends = [pairs["left"], pairs["right"]]
    together, mates = (ends[0].map(one).eq(ends[1].map(one)) for one in (group, block))
    said = pairs["color_variants"]
    wrong = pairs.assign(same=said)[mates & (together != (said == "1"))]
    half = CORRECTIONS // 2
    torn, mixed = (wrong[wrong["same"] == one].sample(frac=1, random_state=0) for one in "10")
    chosen = pd.concat([torn[:half], mixed[: CORRECTIONS - len(torn[:half])]])
    return chosen[["left", "right", "same"]].assign(why="seen in the catalogue")


@app.command()
def main(
    source: Annotated[Path, typer.Option(help="The shop with annotated pairs.")] = Path(
        "../shared/data/myntra"
    ),
    again: Annotated[
        bool, typer.Option(help="Make the promoted version again from its registry entry.")
    ] = True,
) -> None:
    """Runs the commands and writes docs/release-example.md."""
    clone = WORK / "release"
    shutil.rmtree(clone, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    subprocess.run(["git", "config", "user.name", AUTHOR], cwd=clone, check=True)
    subprocess.run(["git", "config", "user.email", "tia@example.org"], cwd=clone, check=True)
    photos = str(source.resolve())
    session = Session(clone)
    retrain = ("retrain", "--source", photos)
    session.write(
        "## A first model: no training at all, at 64 px. "
        "Without a champion it goes by the floors alone"
    )
    session.run(*retrain, "--set", "prepare.side=64", "--set", "train.epochs=0")
    session.run("approve", "1", "--by", MANAGER, "--comment", "a beginning")
    session.run("promote", "1", "--by", MANAGER)
    session.write("## It groups the catalogue, and people correct what it has wrong")
    session.group(photos)
    session.correct(source)
    session.group(photos)
    session.write("## A better one: the default parameters")
    session.run(*retrain)
    session.write(session.decision(2))
    session.run("approve", "2", "--by", MANAGER, "--comment", "fewer designs torn apart")
    session.run("promote", "2", "--by", MANAGER)
    session.group(photos)
    session.write("## A challenger with fewer epochs (none): refused, with the reason")
    session.run(*retrain, "--set", "train.epochs=0")
    session.write(session.decision(3))
    session.run("approve", "3", "--by", MANAGER, "--comment", "please", fails=True)
    session.run("promote", "3", "--by", MANAGER, fails=True)
    session.write("## Back, and forth again")
    session.run("rollback", "--reason", "trying the way back", "--by", MANAGER)
    session.group(photos)
    session.run("rollback", "--to", "2", "--reason", "it works", "--by", MANAGER)
    if again:
        session.write(
            "## Made again from the registry entry alone, in an empty folder, with an empty cache"
        )
        session.run("reproduce", "models:/color-variants/2", "--by", MANAGER)
    session.write("## The whole history")
    session.run("history")
    tags = subprocess.run(
        ["git", "for-each-ref", "--format=%(refname:short) %(objectname:short)", "refs/tags"],
        cwd=clone,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    session.lines += ["    $ git for-each-ref refs/tags", *(f"    {line}" for line in tags), ""]
    begin = [
        "# A release on real photos, command by command",
        "",
        f"`python -m benchmarks.release` wrote this at {session.head}, on {os.cpu_count()} cores:",
        "what the commands printed, without their progress lines. The metrics are of the test",
        "brands of the annotated photos; see [results](results.md) for what they mean.",
    ]
    text = "\n".join(begin + session.lines).replace(photos, "PHOTOS").replace(str(clone), "CLONE")
    PAGE.write_text(re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n", encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    run_app(app)
