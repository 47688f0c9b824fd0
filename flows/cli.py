"""The command `variants`."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from flows.local.environment import set_up
from flows.local.outages import outage
from flows.local.project import Project, find_project
from ml.core.command import run_app
from ml.core.errors import UserError
from ml.core.params import profile_params

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Finds colour variants in a fashion catalogue, and keeps the model that finds them fresh.

A first round, on a shop of your own or on a generated one:

    variants generate .variants/shop --products 240

    variants retrain --source .variants/shop

    variants approve @challenger --by NAME --comment WHY

    variants promote

    variants group --source .variants/shop

    variants ui
""",
)

Source = Annotated[
    str, typer.Option(help="The shop: a folder or fsspec URL (see docs/data-format.md).")
]
By = Annotated[str, typer.Option(help="Who; without it the person that git knows here.")]
Version = Annotated[
    str, typer.Argument(help="A candidate's version number, or @challenger for the newest.")
]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")
]


@app.command()
def generate(
    folder: Annotated[
        Path, typer.Argument(help="Where the shop goes; must not exist, or be empty.")
    ],
    products: Annotated[int, typer.Option(min=1, help="How many products.")] = 240,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed gives the same shop; more products extend it.")
    ] = 0,
    recoloured: Annotated[
        bool,
        typer.Option(
            "--recoloured",
            help="Colourways are one photograph, recoloured, as some shops make them.",
        ),
    ] = False,
) -> None:
    """Writes a shop of generated garments with annotated pairs, to try things on."""
    from ml.core.progress import progress
    from ml.synthetic import generate_shop

    with progress("generate", products, "products") as advance:
        generate_shop(folder, products, seed, advance, recoloured)
    print(f"{products} products are in {folder}")


@app.command()
def snapshot(
    source: Annotated[str, typer.Argument(help="The shop: a folder or fsspec URL.")],
    commit: Annotated[bool, typer.Option(help="Commit the pointer to the snapshot.")] = True,
) -> None:
    """Imports a shop into this checkout's data/snapshot, tracks it with DVC and commits the pointer.

    Afterwards `dvc repro` runs the pipeline by hand, and `variants retrain` without --source uses
    this snapshot.
    """
    from flows.local.snapshots import import_here

    print(f"snapshot {import_here(find_project(), source, commit, print)}")


@app.command()
def retrain(
    source: Annotated[
        str,
        typer.Option(help="The shop: a folder or fsspec URL. Without it: this commit's snapshot."),
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="PARAM=VALUE", help="Change a param of params.yaml for this run."
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(
            help="A set of params under `profiles` in params.yaml, such as gpu; --set comes after it."
        ),
    ] = "",
    allow_dirty: Annotated[
        bool, typer.Option(help="Run with uncommitted changes; the model can never be promoted.")
    ] = False,
) -> None:
    """Trains a model on a shop, registers it as a candidate and asks the gate about it.

    Your checkout is not touched: the run has a git worktree and a branch `retrain/…` of its own. If
        nothing has changed
    since an earlier run, that run's model is named instead.
    """
    project = find_project()
    overrides = (profile_params(profile, project.root / "params.yaml") if profile else {}) | dict(
        map(_param, set_ or [])
    )
    _with_prefect(project)
    from flows.retrain import retrain as flow

    result = flow(source=source, overrides=overrides, allow_dirty=allow_dirty)
    made = "registered" if result["new"] else "nothing has changed: the existing version is"
    print(
        f"{made} {result['model']}; the gate {'lets it pass' if result['passed'] else 'refuses it'}"
    )
    print(f"look at it: variants ui, then run {result['run']} in MLflow")


@app.command()
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="models:/color-variants@champion, models:/NAME/VERSION, a run id, or a baseline: gray, imagenet, …"
        ),
    ],
    source: Source,
    split: Annotated[
        str | None, typer.Option(help="Only the brands of one split: train, dev or test.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measures a model on a shop's annotated pairs, beside the naive baselines, with 95 % intervals."""
    from flows.display.tables import figures_table
    from flows.evaluate import evaluate as run

    if split not in (None, "train", "dev", "test"):
        raise UserError(f"--split is train, dev or test, not '{split}'")
    result = run(find_project(), model, source, split, _aside)
    print(json.dumps(result, indent=2)) if as_json else figures_table(result)


@app.command()
def group(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for groups.csv and groups.html.")] = Path(
        ".variants/groups"
    ),
    model: Annotated[str, typer.Option(help="A registered model; without it the champion.")] = "",
) -> None:
    """Groups a whole catalogue: which products are one design in several colours?"""
    _with_prefect(find_project())
    from flows.group import group as flow

    result = flow(source=source, out=str(out.resolve()), model=model)
    print(
        f"{result['groups']} groups hold {result['grouped']} of {result['products']} products: {result['out']}/groups.html"
    )
    if result["unreadable"]:
        print(f"{result['unreadable']} pictures could not be read; groups.csv says why")


@app.command()
def approve(
    version: Version,
    comment: Annotated[str, typer.Option(help="What speaks for it; kept in the registry.")] = "",
    by: By = "",
) -> None:
    """Approves a candidate that the gate passed, so that it may be promoted.

    How many people must approve, and whether who made the model may be one of them, says
    mlflow/promotion.yaml.
    """
    from flows.gate.approval import note_verdict

    result = note_verdict(find_project(), version, "approval", by, comment)
    print(f"{result['by']} approves {result['model']}: {result['words']}")


@app.command()
def reject(
    version: Version,
    comment: Annotated[str, typer.Option(help="What speaks against it; kept in the registry.")],
    by: By = "",
) -> None:
    """Rejects a candidate: it cannot be promoted, unless the gate judges it anew and people approve it then."""
    from flows.gate.approval import note_verdict

    result = note_verdict(find_project(), version, "rejection", by, comment)
    print(f"{result['by']} rejects {result['model']}")


@app.command()
def promote(
    version: Version = "@challenger",
    by: By = "",
) -> None:
    """Makes a candidate that the gate passed and people approved the champion."""
    _with_prefect(find_project())
    from flows.promote import promote as flow

    result = flow(version=version, by=by)
    print(f"{result['model']} is the champion, from {result['candidate']}")


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why; kept in the registry.")],
    to: Annotated[
        str, typer.Option(help="Production version; without it the one before today's champion.")
    ] = "",
    by: By = "",
) -> None:
    """Lets an earlier champion serve again. Needs the registry only: neither Prefect nor the machine that trained."""
    from flows.rollback import roll_back

    result = roll_back(reason, to, by)
    print(f"{result['model']} is the champion again, instead of version {result['replaced']}")


@app.command()
def status(as_json: AsJson = False) -> None:
    """Shows which model serves, which candidates wait, and what the gate said of them."""
    from flows.display.tables import status_tables
    from flows.status import status as look

    result = look(find_project())
    print(json.dumps(result, indent=2)) if as_json else status_tables(result)


@app.command()
def reproduce(
    model: Annotated[
        str, typer.Argument(help="models:/color-variants/VERSION, or models:/NAME@ALIAS.")
    ],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Makes a registered model again from its registry entry alone, and compares byte for byte.

    In an empty folder: its commit is cloned, its snapshot fetched, the pins checked, every stage
        run without any cache. The
    report is kept on the version. Takes as long as the training did; exit code 1 where the model
    comes out different.
    """
    from flows.reproduce import reproduce as run

    result = run(find_project(), model, by, _aside)
    if as_json:
        print(json.dumps(vars(result), indent=2))
    else:
        print(f"{result.model}: {result.verdict}{f'; {result.reason}' if result.reason else ''}")
        for words in result.environment:
            print(f"not as pinned: {words}")
    if not result.verdict.startswith("equal"):
        raise typer.Exit(1)


@app.command()
def history(
    model: Annotated[
        str,
        typer.Argument(help="Only what is about this version, such as models:/color-variants/3."),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Shows every decision, approval, promotion and rollback: when, who and why. Nothing in it is ever overwritten."""
    from flows.display.tables import history_table
    from flows.registry.audit_trail import history as look

    result = look(find_project(), model)
    print(json.dumps(result, indent=2)) if as_json else history_table(result)


@app.command()
def clean() -> None:
    """Removes what runs that died left behind: worktrees, branches without a version, stages that still work.

    Runs that live are not touched, nor is anything that is registered. To make use of a dead run
    instead, give the command
    that started it again: it goes on from the last checkpoint.
    """
    from flows.registry.dead_runs import clean as run
    from flows.registry.tracking import connect

    project = find_project()
    names = run(project, connect(project))
    print(f"removed: {', '.join(names)}" if names else "there is nothing to remove")


@app.command()
def ui(
    mlflow_port: Annotated[int, typer.Option(help="Port of MLflow's page.")] = 5000,
    prefect_port: Annotated[int, typer.Option(help="Port of Prefect's page.")] = 4200,
) -> None:
    """Starts the MLflow and Prefect pages on this machine and prints their addresses; Ctrl-C ends them."""
    from flows.local.servers import forget_pages, start_pages, stop, wait_for_end
    from flows.registry.tracking import connect

    project = find_project()
    connect(project)
    print("starting …", flush=True)
    pages = start_pages(project, mlflow_port, prefect_port)
    try:
        print(
            f"MLflow   {project.mlflow_uri if project.mlflow_uri.startswith('http') else f'http://127.0.0.1:{mlflow_port}'}"
        )
        print(f"Prefect  http://127.0.0.1:{prefect_port}")
        print(
            "To trigger flows from Prefect's page, run `variants serve` in another shell. Ctrl-C ends the pages.",
            flush=True,
        )
        wait_for_end()
        print("ending …")
    finally:
        stop(pages)
        forget_pages(project)


@app.command()
def serve(
    cron: Annotated[
        str | None, typer.Option(help="Retrain by itself at these times, such as '0 3 * * 1'.")
    ] = None,
    source: Annotated[str | None, typer.Option(help="The shop of scheduled retrainings.")] = None,
) -> None:
    """Offers the flows on a Prefect server: on the one of `variants ui`, or on PREFECT_API_URL.

    They are then triggered from Prefect's page, with `prefect deployment run retrain/local`, or on
    a schedule.
    """
    project = find_project()
    _with_prefect(project)
    if "PREFECT_API_URL" not in os.environ:
        raise UserError(
            "there is no Prefect server to serve on: start `variants ui` in another shell, or set PREFECT_API_URL"
        )
    from flows.serve import serve_flows

    serve_flows(project, cron, source)


@app.command()
def demo() -> None:
    """Runs the whole lifecycle on a generated shop, showing each command."""
    from flows.demo import demo as run

    run(find_project())


def main() -> None:
    """Runs the command; trouble from outside, which any part of it may meet, is said in a line."""
    set_up()
    try:
        run_app(app)
    except Exception as error:
        words = outage(error)
        if words is None:
            raise
        print(f"error: {words}", file=sys.stderr)
        raise SystemExit(1) from None


def _param(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UserError(f"--set takes PARAM=VALUE, such as train.epochs=3, not '{text}'")
    return name, yaml.safe_load(value)


def _with_prefect(project: Project) -> None:
    """Uses the server of `variants ui` where it runs; otherwise Prefect starts a temporary one for this command."""
    from flows.local.servers import make_prefect_database, running_prefect
    from flows.registry.dead_runs import end, orphans

    if "PREFECT_API_URL" in os.environ:
        return
    address = running_prefect(project)
    if address:
        os.environ["PREFECT_API_URL"] = address
    else:
        end(orphans(project))
        make_prefect_database(project)


def _aside(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
