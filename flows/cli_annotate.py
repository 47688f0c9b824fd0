"""The commands of `variants annotate`: pairs for people to look at, and what they say of them."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import AsJson, By, example, print_aside, print_found, signer
from flows.local.project import find_project

annotate = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=example("annotate status my-shop-train-1"),
    help="""Asks people about pairs of products, and keeps what they say.

The page Annotate of `variants desk` shows the pairs; see docs/how-to-annotate.md.
""",
)
Batch = Annotated[str, typer.Argument(help="Name of the batch: `variants annotate list`.")]
Of = Annotated[
    str, typer.Option("--catalogue", help="Name of the catalogue; default: the only one.")
]
PAIRS, LABEL_STUDIO = "pairs", "label-studio"


@annotate.command(epilog=example("annotate suggest --budget 200 --mode train"))
def suggest(
    budget: Annotated[int, typer.Option(min=1, help="Number of pairs.")] = 200,
    mode: Annotated[
        str, typer.Option(help="train: pairs to learn from; test: fresh ones to compare models on.")
    ] = "train",
    catalogue: Of = "",
    seed: Annotated[int, typer.Option(min=0, help="Of all draws.")] = 0,
    annotator: Annotated[
        list[str] | None,
        typer.Option(help="Deal the pairs to this person; may be repeated. Default: to anybody."),
    ] = None,
    overlap: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of the pairs that two annotators look at."),
    ] = 0.0,
    by: By = "",
) -> None:
    """Makes a batch of the pairs that are most worth a look.

    In mode train these are pairs that the model is unsure of or that other features contradict, new
    products, and random ones. In mode test no trained model has a say, so that the pairs stay a
    fair test. See docs/how-to-annotate.md.
    """
    from flows.annotate import suggest as run
    from ml.annotate.mode import check_mode

    wanted, project = check_mode(mode), find_project()
    who, people = signer(project, by), annotator or []
    made = run(project, catalogue, budget, wanted, seed, people, overlap, who, print_aside)
    print(f"the batch {made.name} waits at the page Annotate of `variants desk`")


@annotate.command("list", epilog=example("annotate list"))
def list_(as_json: AsJson = False) -> None:
    """Lists the batches, and how far each is."""
    from flows.annotate import listed
    from flows.display.annotations import listed_table

    found = listed(find_project())
    nothing = "no batch yet: `variants annotate suggest --catalogue NAME --budget 200` makes one"
    print_found(found, as_json, listed_table, nothing)


@annotate.command(epilog=example("annotate status my-shop-train-1"))
def status(batch: Batch, as_json: AsJson = False) -> None:
    """Shows how far a batch is, how far people agree, and what is in conflict."""
    from flows.annotate import status as look
    from flows.display.annotations import status_table

    found = look(find_project(), batch)
    print_found(found, as_json, status_table)


@annotate.command(epilog=example("annotate estimate my-shop"))
def estimate(
    catalogue: Annotated[
        str, typer.Argument(help="Name of the catalogue; default: the only one.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Estimates precision and recall of a catalogue's groups, with 95 % intervals.

    It takes the answers to pairs that were drawn at random. Pairs that were chosen, since a model
    was unsure of them, would say that groups are worse than they are.
    """
    from flows.annotate_estimate import estimated
    from flows.display.annotations import estimate_lines

    found = estimated(find_project(), catalogue_of(catalogue))
    print_found(found, as_json, estimate_lines)


@annotate.command(epilog=example("annotate doubts my-shop --budget 50 --ask"))
def doubts(
    catalogue: Annotated[
        str, typer.Argument(help="Name of the catalogue; default: the only one.")
    ] = "",
    budget: Annotated[int, typer.Option(min=1, help="Number of pairs to look at again.")] = 50,
    mode: Annotated[str, typer.Option(help="train, or test: pairs of test brands.")] = "train",
    ask: Annotated[bool, typer.Option("--ask", help="Make a batch of them for people.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Lists annotated pairs whose answer is probably wrong; it changes none.

    Models that did not see a brand's answers contradict them, or pairs contradict one another
    (A = B, B = C, A ≠ C). The trained model is not asked: it has learnt from these answers.
    """
    from flows.annotate_doubts import ask_again, doubted
    from flows.display.annotations import doubts_table
    from ml.annotate.mode import check_mode

    wanted, project = check_mode(mode), find_project()
    named = catalogue_of(catalogue)
    found = doubted(project, named, budget, wanted, print_aside)
    if ask:
        made = ask_again(project, named, found, wanted, signer(project, by))
        print(f"{len(found)} pairs are asked about again, in the batch {made.name}")
    elif as_json:
        print(found.to_json(orient="records", indent=2))
    else:
        doubts_table(found)


@annotate.command(epilog=example("annotate export --out pairs.csv"))
def export(
    out: Annotated[Path, typer.Option(help="The file to write.")],
    catalogue: Of = "",
    format: Annotated[
        str, typer.Option(help=f"{PAIRS}: what people agree on; {LABEL_STUDIO}: tasks of a batch.")
    ] = PAIRS,
    with_: Annotated[
        Path | None, typer.Option("--with", help="The shop's pairs.csv, whose rows come first.")
    ] = None,
    batch: Annotated[str, typer.Option(help=f"For {LABEL_STUDIO}: name of the batch.")] = "",
    pictures: Annotated[
        str, typer.Option(help=f"For {LABEL_STUDIO}: what makes a URL of a picture's name.")
    ] = "/data/local-files/?d=",
) -> None:
    """Writes annotated pairs, or tasks for Label Studio.

    Pairs in conflict, unsure ones, and those of a design that contradicts itself are left out.
    """
    from flows.annotate import export_label_studio, export_pairs

    project = find_project()
    if format == LABEL_STUDIO:
        if not batch:
            raise typer.BadParameter("name a batch", param_hint="--batch")
        if with_:
            raise typer.BadParameter(f"it is for {PAIRS} alone", param_hint="--with")
        print(f"{export_label_studio(project, batch, out, pictures)} tasks of {batch}: {out}")
        return
    if format != PAIRS:
        raise typer.BadParameter(f"take {PAIRS} or {LABEL_STUDIO}", param_hint="--format")
    if batch:
        raise typer.BadParameter(f"it is for {LABEL_STUDIO} alone", param_hint="--batch")
    found, replaced = export_pairs(project, catalogue_of(catalogue), out, with_)
    if replaced:
        print(f"{replaced} pairs of {with_} are as annotators say now", file=sys.stderr)
    print(f"{found.words()}: {out}")


@annotate.command("import", epilog=example("annotate import pairs.csv --by Ada"))
def import_(
    file: Annotated[
        Path, typer.Argument(help="pairs.csv or .parquet, or Label Studio's JSON export.")
    ],
    catalogue: Of = "",
    mode: Annotated[
        str, typer.Option(help="Of pairs that are in no batch yet: train or test.")
    ] = "train",
    by: By = "",
    accounts: Annotated[
        Path | None, typer.Option(help="What Label Studio's /api/users answers: names of accounts.")
    ] = None,
) -> None:
    """Takes over answers from a file: all of its rows, or none if one of them is wrong.

    Rows that name no annotator are yours.
    """
    from flows.annotate import import_answers
    from ml.annotate.mode import check_mode

    wanted, project = check_mode(mode), find_project()
    who = signer(project, by)
    found = import_answers(project, catalogue_of(catalogue), file, wanted, who, accounts)
    made = f"; new pairs are in the batch {found['batch']}" if found["batch"] else ""
    print(f"{found['answers']} answers, {found['new']} of them new{made}")


def catalogue_of(named: str) -> str:
    """Returns the catalogue that was named, or the only one."""
    from flows.corrections import only_catalogue

    return named or only_catalogue(find_project())
