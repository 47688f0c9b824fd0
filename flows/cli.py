"""The command `variants`: its commands, in the order of the lifecycle, and their help."""

import json
import os
import sys
from gc import disable as collect_no_garbage
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from typer.core import TyperGroup

import flows.cli_corrections  # noqa: F401 (it adds commands to `groups`)
from flows.cli_annotate import annotate
from flows.cli_groups import groups
from flows.cli_options import (
    LOOK,
    OPERATE,
    RELEASE,
    TRAIN,
    TRY,
    USE,
    AsJson,
    By,
    Columns,
    Source,
    Version,
    example,
    print_aside,
    print_found,
    signer,
)
from flows.local.access import impossible, refuse_closed
from flows.local.environment import set_up
from flows.local.interruptions import supervise
from flows.local.outages import outage, unreachable
from flows.local.project import Project, find_project
from ml.core.command import run_app
from ml.core.credentials import without_credentials
from ml.core.errors import UserError, visible
from ml.snapshot.column_names import parse_columns
from ml.snapshot.layouts import LAYOUTS
from ml.snapshot.shop_paths import refuse_absent, refuse_credentials

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Finds colour variants in a fashion catalogue, and keeps the model up to date.

A first round on a generated shop (for your own shop, leave out step 1 and name its folder):

1. `variants generate .variants/shop`
2. `variants retrain --source .variants/shop`
3. `variants approve @challenger --by NAME --comment WHY`
4. `variants promote`
5. `variants group --source .variants/shop`
6. `variants ui`
""",
    epilog="`variants COMMAND --help` explains a command and gives an example.",
)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"color-variants {version('color-variants')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    """Takes the options that come before a command."""


@app.command(rich_help_panel=TRY, epilog=example("demo"))
def demo() -> None:
    """Runs the whole lifecycle on a generated shop and shows each command.

    It takes some minutes on 2 cores and needs no server.
    """
    from flows.demo import demo as run

    run(find_project())


@app.command(rich_help_panel=TRY, epilog=example("generate .variants/shop --products 240"))
def generate(
    folder: Annotated[
        Path, typer.Argument(help="Where the shop goes; must be empty or not exist.")
    ],
    products: Annotated[int, typer.Option(min=1, help="Number of products.")] = 240,
    seed: Annotated[
        int, typer.Option(min=0, help="The same seed gives the same shop; more products extend it.")
    ] = 0,
    recoloured: Annotated[
        bool,
        typer.Option(
            "--recoloured",
            help="Make all colours of a design from one photograph, as some shops do.",
        ),
    ] = False,
) -> None:
    """Generates a shop of drawn garments, with annotated pairs."""
    from ml.core.progress import progress
    from ml.synthetic import generate_shop

    with progress("generate", products, "products") as advance:
        generate_shop(folder, products, seed, advance, recoloured)
    print(f"{products} products are in {folder}")


@app.command(
    "import",
    rich_help_panel=TRAIN,
    epilog=example("import shopify products_export.csv --out FOLDER"),
    help="""Writes a shop from public data of a known layout.

Pictures are linked, or copied to another disk; URLs are fetched by the commands that read the shop.
Where the data say which products are colours of one design, annotated pairs are made of that.
Nobody has looked at these: see docs/how-to-import.md. The layouts:

"""
    + "\n".join(f"- `{name}`: {words}" for name, words in LAYOUTS.items()),
)
def import_(
    layout: Annotated[str, typer.Argument(help="How the data are laid out: see above.")],
    source: Annotated[Path, typer.Argument(help="The folder of the data, or their one file.")],
    out: Annotated[Path, typer.Option(help="Where the shop goes; must be empty or not exist.")],
) -> None:
    """Writes a shop from public data of a known layout."""
    from ml.snapshot.layouts.writing import import_layout

    refuse_closed(out)
    result = import_layout(layout, source, out, print_aside)
    urls = f" and {result.urls} URLs of pictures" if result.urls else ""
    print(f"{result.products} products with {result.pictures} pictures{urls} are in {out}")
    if result.variants:
        print(
            f"pairs: {result.variants} of variants, {result.others} of other designs; they are "
            "what the data group, by style or by size, and nobody looked at them: confidence medium"
        )
    else:
        print("pairs: none, since the data do not say which products are variants")


class TakeByDefault(TyperGroup):
    """A group whose command `take` runs when the first argument is a shop."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts `take` before arguments that name no command; see the base class."""
        if args and args[0] not in (*self.commands, "--help"):
            name, words = args[0], [one for one in args if not one.startswith("-")]
            shop = "://" in name or Path(name).exists()
            if words[:1] == [name] and len(words) > 1 and not shop:
                ctx.fail(f"'{visible(name)}' is neither {', '.join(self.commands)} nor a shop")
            args = ["take", *args]
        return super().parse_args(ctx, args)


snapshots = typer.Typer(
    cls=TakeByDefault,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=example("snapshot FOLDER"),
    help="""Imports a shop as a snapshot, compares snapshots, and removes what nobody needs.

`variants snapshot FOLDER` is short for `variants snapshot take FOLDER`.
""",
)
app.add_typer(snapshots, name="snapshot", rich_help_panel=TRAIN)
app.add_typer(groups, name="groups", rich_help_panel=USE)
app.add_typer(annotate, name="annotate", rich_help_panel=USE)


@snapshots.command(epilog=example("snapshot take FOLDER"))
def take(
    source: Annotated[
        str, typer.Argument(help="The shop: a folder or fsspec URL (format: docs/data-format.md).")
    ],
    commit: Annotated[bool, typer.Option(help="Commit the pointer to the snapshot.")] = True,
    verify: Annotated[
        bool,
        typer.Option(
            "--verify", help="Read all pictures, also those with size and time as last time."
        ),
    ] = False,
    columns: Columns = "",
) -> None:
    """Imports a shop into this checkout as a snapshot.

    DVC tracks the folder data/snapshot, and git the pointer to it. Afterwards `dvc repro` runs the
    pipeline by hand, and `variants retrain` without `--source` uses this snapshot. An import of the
    same shop reads only what is new since the last one.
    """
    from flows.local.snapshots import import_here

    named = parse_columns(columns)
    print(f"snapshot {import_here(find_project(), source, commit, print, verify, named)}")


@snapshots.command(epilog=example("snapshot diff HEAD FOLDER"))
def diff(
    before: Annotated[str, typer.Argument(help="The earlier snapshot; see above.")],
    after: Annotated[str, typer.Argument(help="The later snapshot.")],
    out: Annotated[Path, typer.Option(help="Folder for diff.json and diff.html.")] = Path(
        ".variants/snapshot-diff"
    ),
    as_json: AsJson = False,
) -> None:
    """Shows what changed between two snapshots: products, pairs and pictures.

    A snapshot is named by its id or how that begins, by a commit or branch that points to it, by a
    model that learnt from it (`models:/NAME/VERSION`), or by the folder or URL of a shop. diff.html
    shows the pictures.
    """
    from flows.display.tables import diff_table
    from flows.snapshot_diff import diff as compare

    result = compare(find_project(), before, after, out)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        diff_table(result)
        print(f"the pictures are in {out / 'diff.html'}")


@snapshots.command(epilog=example("snapshot gc --yes"))
def gc(
    cloud: Annotated[bool, typer.Option("--cloud", help="Look at the DVC remote too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove it, instead of showing it.")] = False,
    forget: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="A clone that is gone for good, or a version (models:/NAME/VERSION) whose "
            "dvc.lock is lost: nothing is kept for it any more. May be repeated.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Shows what nobody needs of DVC's cache, and removes it with `--yes`.

    What any branch, tag, commit or checkout points to is needed, and the snapshot and every output
    of each registered version: in this clone and in all others that share the cache or the remote.
    Clones tell each other when they take a snapshot. One that is gone, or on another machine, keeps
    what it told last until `--forget PATH`. Nothing is removed while a run is alive.
    """
    from flows.display.tables import unneeded_table
    from flows.snapshot_gc import collect_garbage

    names = [
        one if one.startswith("models:/") else str(Path(one).absolute()) for one in forget or []
    ]
    found = collect_garbage(find_project(), cloud, names, yes, print_aside)
    result = [one.to_json() | {"removed": yes} for one in found]
    print_found(result, as_json, unneeded_table)


@app.command(rich_help_panel=TRAIN, epilog=example("retrain --source FOLDER --set train.epochs=3"))
def retrain(
    source: Annotated[
        str,
        typer.Option(help="The shop: a folder or fsspec URL; default: the commit's snapshot."),
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PARAM=VALUE",
            help="Change a param of params.yaml for this run; may be repeated.",
        ),
    ] = None,
    profile: Annotated[
        str,
        typer.Option(help="Params under `profiles` in params.yaml, such as gpu; --set overrides."),
    ] = "",
    columns: Columns = "",
    allow_dirty: Annotated[
        bool, typer.Option(help="Use uncommitted changes; the model can never be promoted.")
    ] = False,
    corrections: Annotated[
        str,
        typer.Option(
            help="Learn from the corrections of this catalogue's groups; default: of the one "
            "grouped from this source; `none`: of none."
        ),
    ] = "",
    annotations: Annotated[
        str,
        typer.Option(help="Learn from what annotators of this catalogue agree on; as above."),
    ] = "",
) -> None:
    """Trains a model, registers it as a candidate and runs the gate.

    The run has a git worktree and a branch `retrain/ID` of its own, so that your checkout stays as
    it is. If nothing has changed since an earlier run, the command prints the model of that run. A
    killed run goes on from its last checkpoint when you give the same command again.
    """
    refuse_credentials(source)  # Prefect would store it
    from flows.local.params_schema import refuse_overrides

    overrides, named = dict(map(_param, set_ or [])), parse_columns(columns)
    project = find_project()
    refuse_overrides(project.root, profile, overrides)  # before a server is started for it
    if source:
        refuse_absent(source)
    _with_prefect(project)
    from flows.retrain import retrain as flow

    result = flow(
        source=source,
        profile=profile,
        overrides=overrides,
        allow_dirty=allow_dirty,
        columns=named,
        corrections=corrections,
        annotations=annotations,
    )
    made = "registered" if result["new"] else "nothing has changed: the existing version is"
    verdict = "passes it" if result["passed"] else "refuses it"
    print(f"{made} {result['model']}; the gate {verdict}")
    if result["run"]:
        print(f"its report is in MLflow (see `variants ui`), at run {result['run']}")
    else:
        print("somebody has deleted its run in MLflow, and the report with it")
    if result["only_here"]:
        print(f"{result['only_here']}; `variants push` does it later")


@app.command(
    rich_help_panel=TRAIN,
    epilog=example("evaluate models:/color-variants@champion --source FOLDER"),
)
def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            help="models:/NAME@ALIAS, models:/NAME/VERSION, an MLflow run id, or a baseline such "
            "as gray or imagenet."
        ),
    ],
    source: Source,
    columns: Columns = "",
    split: Annotated[
        str | None, typer.Option(help="Only the products of one split: train, dev or test.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Measures a model on a shop's annotated pairs and complete blocks, beside baselines.

    Each metric has a 95 % interval. Either pairs or complete blocks are enough.
    """
    from flows.display.tables import metrics_table
    from flows.evaluate import evaluate as run

    if split not in (None, "train", "dev", "test"):
        raise UserError(f"--split must be train, dev or test, not '{split}'")
    result = run(find_project(), model, source, split, print_aside, parse_columns(columns))
    print_found(result, as_json, metrics_table)


@app.command(rich_help_panel=RELEASE, epilog=example("reproduce models:/color-variants/3"))
def reproduce(
    model: Annotated[str, typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS.")],
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Makes a registered model again and compares it byte for byte.

    Only the registry entry is used. In an empty folder the command clones the commit, fetches the
    snapshot, checks the pinned packages and runs every stage without a cache. It takes as long as
    the training did. The report is stored with the version. The exit code is 1 if the result
    differs.
    """
    from flows.reproduce import reproduce as run

    project = find_project()
    result = run(project, model, signer(project, by), print_aside)
    if as_json:
        print(json.dumps(vars(result), indent=2))
    else:
        print(f"{result.model}: {result.verdict}{f'; {result.reason}' if result.reason else ''}")
        for line in result.environment:
            print(f"not as pinned: {line}")
    if not result.verdict.startswith("equal"):
        raise typer.Exit(1)


@app.command(
    rich_help_panel=RELEASE,
    epilog=example('approve @challenger --by Ada --comment "groups look right"'),
)
def approve(
    version: Version,
    comment: Annotated[str, typer.Option(help="Why; stored in the audit trail.")] = "",
    by: By = "",
) -> None:
    """Approves a candidate that the gate passed.

    mlflow/promotion.yaml sets how many people must approve before the promotion, and whether the
    author of the model may be the only one.
    """
    from flows.gate.approval import note_verdict

    project = find_project()
    result = note_verdict(project, version, "approval", signer(project, by), comment)
    print(f"{result['by']} approves {result['model']}: {result['words']}")


@app.command(
    rich_help_panel=RELEASE, epilog=example('reject 7 --by Ada --comment "splits shoes by sole"')
)
def reject(
    version: Version,
    comment: Annotated[str, typer.Option(help="Why; stored in the audit trail.")],
    by: By = "",
) -> None:
    """Rejects a candidate, so that it cannot be promoted.

    It can be promoted only if the gate judges it again and people approve it afterwards.
    """
    from flows.gate.approval import note_verdict

    project = find_project()
    result = note_verdict(project, version, "rejection", signer(project, by), comment)
    print(f"{result['by']} rejects {result['model']}")


@app.command(rich_help_panel=RELEASE, epilog=example("promote @challenger --by Ada"))
def promote(
    version: Version = "@challenger",
    by: By = "",
) -> None:
    """Makes a candidate the champion.

    The gate must have passed it, and people must have approved it.
    """
    from flows.registry.tracking import connect
    from flows.registry.versions import find_candidate, policy_of

    project = find_project()
    who = signer(project, by)
    # Refused before a server is started for it; whether it may be promoted is the flow's question.
    find_candidate(connect(project), policy_of(project).models, version)
    _with_prefect(project)
    from flows.promote import promote as flow

    result = flow(version=version, by=who)
    print(f"{result['model']} is the champion, from {result['candidate']}")


@app.command(
    rich_help_panel=RELEASE, epilog=example('rollback --reason "groups shoes by sole" --by Ada')
)
def rollback(
    reason: Annotated[str, typer.Option(help="Why; stored in the audit trail.")],
    to: Annotated[
        str, typer.Option(help="Production version; default: the champion before today's.")
    ] = "",
    by: By = "",
) -> None:
    """Makes an earlier champion the champion again.

    It needs only the registry: neither Prefect nor the machine that trained the model.
    """
    from flows.rollback import roll_back, told

    print(told(roll_back(reason, to, signer(find_project(), by))))


@app.command(rich_help_panel=USE, epilog=example("group --source FOLDER --out .variants/groups"))
def group(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for groups.csv and groups.html.")] = Path(
        ".variants/groups"
    ),
    model: Annotated[
        str,
        typer.Option(
            help="A registered model, or `untrained` for first groups; default: the champion."
        ),
    ] = "",
    columns: Columns = "",
    catalogue: Annotated[
        str,
        typer.Option(
            help="Name under which the groups are remembered; default: the source's last part."
        ),
    ] = "",
    by: By = "",
    regroup: Annotated[
        bool, typer.Option("--regroup", help="Group everything anew; only ids are carried over.")
    ] = False,
    new_only: Annotated[
        bool,
        typer.Option(
            "--new-only", help="The source holds new or changed products only; the others stay."
        ),
    ] = False,
    cluster: Annotated[
        str,
        typer.Option(
            help="Address of a Dask scheduler that embeds and groups, such as tcp://10.0.0.5:8786."
        ),
    ] = "",
) -> None:
    """Finds the colour variants of a whole catalogue, and remembers the groups.

    Each group holds the products of one design. groups.csv is for programs, groups.html for people.
    Its column band says what to do: `publish` a group whose score promises the wanted precision
    (evaluate.precision), `review` one with less, `leave` a product alone.

    Given again, the command embeds new pictures only. A group keeps its id, and changes only if the
    evidence exceeds a margin; changes.csv says what changed and why. `variants groups` shows
    earlier versions.
    """
    from flows.local.untrained import UNTRAINED, refuse_memory
    from flows.registry.usable_model import usable_model
    from ml.catalogue.versions import catalogue_name

    refuse_credentials(source)
    named, folder = parse_columns(columns), out.resolve()
    refuse_memory(model, regroup, new_only)
    refuse_closed(folder)
    if model != UNTRAINED:
        catalogue_name(catalogue, source)
    refuse_absent(source)
    project = find_project()
    if model != UNTRAINED:
        usable_model(project, model)  # all before a server is started for it
    _with_prefect(project)
    from flows.group import group as flow

    result = flow(
        source=source,
        out=str(folder),
        model=model,
        columns=named,
        catalogue=catalogue,
        by=by,
        regroup=regroup,
        new_only=new_only,
        cluster=cluster,
    )
    print(_told(result))
    print(
        f"{result['groups']} groups hold {result['grouped']} of {result['products']} products, "
        f"{result['published']} to publish and {result['groups'] - result['published']} to review: "
        f"{result['out']}/groups.html"
    )
    if result["caution"]:
        print(f"they are by {result['caution']}; `variants retrain` trains a better one")
    if result["unreadable"]:
        print(f"{result['unreadable']} pictures could not be read; groups.csv gives the reasons")


@app.command("serve-groups", rich_help_panel=USE, epilog=example("serve-groups my-shop"))
def serve_groups(
    catalogue: Annotated[
        str, typer.Argument(help="Name of a grouped catalogue: `variants groups list`.")
    ],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
) -> None:
    """Says over HTTP which group of a catalogue a new product would join.

    POST /assign takes JSON: image (base64 of the picture's file), brand, gender, article_type. The
    answer names the group or none, its probability, and the three nearest products.
    """
    from flows.serve_groups import serve_groups as run

    run(find_project(), catalogue, port, lambda address: print(address, flush=True))


def _told(result: dict[str, Any]) -> str:
    """Says which version of a catalogue's groups was made, and what changed."""
    if result["version"] is None:
        return "these groups are not remembered"
    named = f"version {result['version']} of the catalogue {result['catalogue']}"
    if not result["made"]:
        return f"nothing has changed since {named}"
    changes = ", ".join(f"{number:,} {kind}" for kind, number in result["changes"].items())
    return f"{named}, {result['embedded']:,} pictures embedded; {changes or 'no group changed'}"


@app.command(rich_help_panel=USE, epilog=example("download models:/color-variants/3 --out FOLDER"))
def download(
    model: Annotated[
        str,
        typer.Argument(help="models:/NAME/VERSION or models:/NAME@ALIAS; default: the champion."),
    ] = "",
    out: Annotated[Path, typer.Option(help="The folder; must be empty or not exist.")] = Path(
        ".variants/model"
    ),
) -> None:
    """Copies a model into a folder, to serve it or to build an image of it.

    The copy is made only if every file is as the gate judged it, and if the champion is the one
    that the audit trail names. MLflow itself checks neither when it serves a models:/ address.
    """
    from flows.download import download as run

    print(f"the model is in {run(find_project(), model, out)}: `mlflow models serve -m {out}`")


@app.command(rich_help_panel=LOOK, epilog=example("status --json"))
def status(as_json: AsJson = False) -> None:
    """Says what serves, what waits for which command, and what is refused and why."""
    collect_no_garbage()  # Python would look through all that is imported, again and again
    from flows.display.status_lines import print_status
    from flows.status import status as look

    result = look(find_project())
    print_found(result, as_json, print_status)


@app.command(rich_help_panel=LOOK, epilog=example("history models:/color-variants/3"))
def history(
    model: Annotated[
        str,
        typer.Argument(help="Only events of this version, such as models:/color-variants/3."),
    ] = "",
    as_json: AsJson = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that no event was changed, removed or forged.")
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Put back the events that this clone remembers.")
    ] = False,
    accept: Annotated[
        str,
        typer.Option(
            metavar="HASH",
            help="Note that you know of a fault that nobody can mend; needs --reason.",
        ),
    ] = "",
    reason: Annotated[str, typer.Option(help="Why; stored in the audit trail.")] = "",
    by: By = "",
) -> None:
    """Shows the audit trail: who decided what, when and why.

    It holds the gate's decisions, approvals, rejections, promotions, rollbacks and reproductions,
    and moves of the champion outside of the record. None of them is ever overwritten. Each event
    names the hashes of those before it, and this clone remembers all that it has read: so
    `--verify` finds what was changed on MLflow's page; the exit code is 1 then. Beside `--restore`
    or `--accept` it looks after the mending.
    """
    from flows.display.tables import history_table
    from flows.history import history as look
    from flows.history import mend, verified

    if (as_json or model) and (verify or restore or accept):
        what = "--json" if as_json else f"'{visible(model)}'"
        raise UserError(f"{what} lists events: leave out --verify, --restore, --accept")
    project = find_project()
    if restore or accept:
        who = signer(project, by) if accept else by
        print(mend(project, restore, accept, reason, who))
    if verify:
        whole, words = verified(project)
        print(words)
        raise typer.Exit(0 if whole else 1)
    if not (restore or accept):
        result = look(project, model)
        print_found(result, as_json, history_table)


@app.command(rich_help_panel=OPERATE, epilog=example("push"))
def push() -> None:
    """Copies to the DVC remote what it lacks of snapshots and of what registered models were made.

    `variants retrain` does it by itself for what it makes. The exit code is 1 if something is
    neither on this machine nor in the remote. An interrupted push goes on where it ended.
    """
    from flows.push import push_all

    report = push_all(find_project(), print_aside)
    print(f"pushed {report.files:,} files, {report.bytes / 1e6:,.1f} MB")
    for line in report.missing:
        print(f"neither here nor in the remote: {line}")
    if report.missing:
        raise typer.Exit(1)


@app.command(rich_help_panel=OPERATE, epilog=example("ui --mlflow-port 5001"))
def ui(
    mlflow_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of MLflow's page.")
    ] = 5000,
    prefect_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of Prefect's page.")
    ] = 4200,
    desk_port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of the desk; 0: any free one.")
    ] = 0,
    serve: Annotated[
        bool, typer.Option("--serve", help="Run `variants serve` too, to start flows there.")
    ] = False,
) -> None:
    """Starts the desk and the pages of MLflow and Prefect on this machine.

    The command prints their addresses. Ctrl-C ends them.
    """
    from flows.local.servers import (
        forget_pages,
        heed_end,
        start_desk,
        start_pages,
        start_serving,
        stop,
        wait_for_end,
    )
    from flows.registry.experiment import front_page
    from flows.registry.tracking import connect

    project = find_project()
    front = front_page(connect(project))
    print("starting …", flush=True)
    server, pages, others = project.mlflow_uri.startswith("http"), list[Any](), list[Any]()
    heed_end()
    try:
        pages = start_pages(project, mlflow_port, prefect_port)
        others = [start_serving(project)] if serve else []
        desk_process, address = start_desk(project, desk_port)
        others.append(desk_process)
        known = without_credentials(project.mlflow_uri).rstrip("/")
        print(f"MLflow   {known if server else f'http://127.0.0.1:{mlflow_port}'}/{front}")
        print(f"Prefect  http://127.0.0.1:{prefect_port}")
        print(f"Desk     {address}")
        if serve:
            print(f"flows    on Prefect's page; their log: {project.room / 'logs/serve.log'}")
        else:
            print("`variants ui --serve` also lets you start flows on Prefect's page.")
        print("Ctrl-C ends the pages.", flush=True)
        wait_for_end(project, pages + others)
    except KeyboardInterrupt:
        print("ending …", flush=True)
    finally:
        if pages:  # not those of another command
            forget_pages(project)
        stop(others)  # first, while it can still tell Prefect how its flow runs end
        stop(pages)


@app.command(rich_help_panel=OPERATE, epilog=example("desk --roles roles.yaml"))
def desk(
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free port.")] = 0,
    roles: Annotated[
        Path | None,
        typer.Option(help="YAML file of who may do what; without it everybody may do everything."),
    ] = None,
    user_header: Annotated[
        str,
        typer.Option(help="Header in which the proxy in front says who asks, such as X-User."),
    ] = "",
    host: Annotated[
        list[str] | None,
        typer.Option(help="Another name that people reach it by, such as desk.example.com."),
    ] = None,
) -> None:
    """Starts the desk: a page to release models, annotate pairs and correct groups.

    The command prints its address on this machine; others reach it through a proxy only (see
    docs/how-to-desk.md). Ctrl-C ends it.
    """
    from flows.desk.roles import EVERYBODY, read_roles
    from flows.desk.serve import serve_desk
    from flows.desk.settings import Settings

    project = find_project()
    settings = Settings(read_roles(roles) if roles else EVERYBODY, user_header)
    settings.hosts.extend(host or [])
    serve_desk(project, settings, port, lambda line: print(f"Desk     {line}", flush=True))


@app.command(rich_help_panel=OPERATE, epilog=example("serve --cron '0 3 * * 1' --source FOLDER"))
def serve(
    cron: Annotated[
        str | None, typer.Option(help="Retrain at these times, such as '0 3 * * 1'.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="Time zone of --cron, such as Europe/Berlin; default: UTC.")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="The shop for these retrainings: a folder or fsspec URL.")
    ] = None,
) -> None:
    """Offers the flows on Prefect's page, and runs those that are started.

    It uses the server of `variants ui`, or the one of PREFECT_API_URL. The flows start from the
    page, by `prefect deployment run retrain/retrain`, or on a schedule. Ctrl-C ends the command.
    """
    refuse_credentials(source or "")
    if timezone is not None and cron is None:
        raise UserError("--timezone says when --cron is meant: give --cron too, or leave it out")
    project = find_project()
    _with_prefect(project)
    from flows.serve import refuse_silent, schedule_of, serve_flows

    zone = "UTC" if timezone is None else timezone
    schedule = schedule_of(cron, zone) if cron is not None else None
    if "PREFECT_API_URL" not in os.environ:
        raise UserError(
            "there is no Prefect server to serve on: start `variants ui` in another shell, or set "
            "PREFECT_API_URL"
        )
    refuse_silent(os.environ["PREFECT_API_URL"])
    serve_flows(project, schedule, source)


@app.command(rich_help_panel=OPERATE, epilog=example("clean"))
def clean() -> None:
    """Removes what dead runs have left.

    These are worktrees, branches without a version, and processes that still run. Live runs and
    registered models stay. To use a dead run instead, give the command that started it again: it
    goes on from the last checkpoint.
    """
    from flows.registry.dead_runs import clean as run
    from flows.registry.tracking import connect

    project = find_project()
    names = run(project, connect(project))
    print(f"removed: {', '.join(names)}" if names else "there is nothing to remove")


AGAIN = "nothing was changed; give the same command again."
WHOLE = "nothing is half written; give the same command again."
SERVES = "`variants status` shows what serves."
AFTER_INTERRUPTION = {  # command → what a person can do; servers end by themselves
    "generate": "no shop was written; give the same command again.",
    "import": "no shop was written; give the same command again.",
    "snapshot": WHOLE,
    "retrain": "what was finished is kept. The same command goes on from the last stage or epoch; "
    "`variants clean` removes what this one left.",
    "evaluate": AGAIN,
    "group": "no version was made, and what was embedded is kept; the same command goes on.",
    "groups": WHOLE,
    "annotate": WHOLE,
    "approve": "`variants history` shows whether it is on record.",
    "reject": "`variants history` shows whether it is on record.",
    "promote": f"{SERVES} The same command finishes what this one began.",
    "rollback": f"{SERVES} If it is not yet the earlier version, give the same command again.",
    "reproduce": AGAIN,
    "download": WHOLE,
    "status": AGAIN,
    "history": AGAIN,
    "push": "what was copied is kept; the same command goes on from there.",
    "clean": "give the same command again: it removes the rest.",
    "demo": "give the same command again: it goes on with what is there.",
}


def main() -> None:
    """Runs the command; an outage in any part of it is reported in one line, with exit code 1."""
    command = sys.argv[1] if len(sys.argv) > 1 else ""
    if command in AFTER_INTERRUPTION:
        supervise(AFTER_INTERRUPTION[command])
    set_up()
    try:
        run_app(app)
    except Exception as error:
        words = outage(error) or unreachable(error) or impossible(error)
        if words is None:
            raise
        print(f"error: {visible(without_credentials(words))}", file=sys.stderr)
        raise SystemExit(1) from None


def _param(text: str) -> tuple[str, Any]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UserError(f"--set takes PARAM=VALUE, such as train.epochs=3, not '{text}'")
    return name, yaml.safe_load(value)


def _with_prefect(project: Project) -> None:
    """Uses the Prefect server of `variants ui` if it runs, otherwise lets Prefect start one."""
    from flows.local.environment import say_once
    from flows.local.servers import make_prefect_database, running_prefect
    from flows.registry.dead_runs import end, orphans

    if "PREFECT_API_URL" not in os.environ:
        address = running_prefect(project)
        if address:
            os.environ["PREFECT_API_URL"] = address
        else:
            end(orphans(project))
            make_prefect_database(project)
    say_once()


if __name__ == "__main__":
    main()
