"""The commands of `variants groups`: what is remembered of the groups of catalogues."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_options import AsJson, example, print_found
from flows.local.project import find_project
from ml.core.errors import visible

SHOWN = 20  # products left out that are listed

groups = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=example("groups show my-shop"),
    help="""Looks at the groups of a catalogue and at how they came about.

Each `variants group` that changes something makes a new version of the catalogue's groups.
""",
)
Catalogue = Annotated[str, typer.Argument(help="Name of the catalogue: `variants groups list`.")]
Number = Annotated[int, typer.Option("--version", min=0, help="Its version; 0: the newest.")]


@groups.command("list", epilog=example("groups list"))
def list_(as_json: AsJson = False) -> None:
    """Lists the catalogues and the versions of their groups."""
    from flows.display.groupings import listed_table
    from flows.groups import listed

    found = listed(find_project())
    nothing = "no catalogue is grouped yet: `variants group --source FOLDER` makes a first version"
    print_found(found, as_json, listed_table, nothing)


@groups.command(epilog=example("groups show my-shop --version 3"))
def show(catalogue: Catalogue, version: Number = 0, as_json: AsJson = False) -> None:
    """Shows how a version of a catalogue's groups was made, and what it changed."""
    from flows.display.groupings import version_table
    from flows.groups import shown

    found = shown(find_project(), catalogue, version)
    print_found(found, as_json, version_table)


@groups.command(epilog=example("groups diff my-shop 3 5"))
def diff(
    catalogue: Catalogue,
    before: Annotated[int, typer.Argument(min=1, help="The earlier version.")],
    after: Annotated[int, typer.Argument(min=0, help="The later version; 0: the newest.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Lists what is different between two versions: new, joined, left, merged, split, retired."""
    from flows.display.groupings import changes_table
    from flows.groups import difference

    found = difference(find_project(), catalogue, before, after)
    print_found(found, as_json, changes_table)


@groups.command(epilog=example("groups store --trim"))
def store(
    trim: Annotated[
        bool,
        typer.Option(
            "--trim", help="Remove embeddings, thumbnails and copies of shops that nothing needs."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Shows the store of embeddings and versions, and trims it.

    Needed are the embeddings of the champion, of the challenger, and of the model of each
    catalogue's newest version, the thumbnails of its pictures, and the copies of shops that have
    one of these. Others are made again when they are asked for.
    """
    from flows.display.groupings import store_table
    from flows.store import stored
    from flows.store import trim as run

    project = find_project()
    if trim:
        gone, pictures, copies = run(project)
        print(
            f"removed: embeddings of {', '.join(gone) or 'no model'}; {pictures:,} thumbnails; "
            f"{copies:,} copies of shops"
        )
        return
    found = stored(project)
    print_found(found, as_json, store_table)


@groups.command(epilog=example("groups export my-shop google --out feed.tsv"))
def export(
    catalogue: Catalogue,
    format: Annotated[str, typer.Argument(help="A format: see above.")],
    out: Annotated[Path, typer.Option(help="The file to write.")],
    version: Number = 0,
    band: Annotated[
        str, typer.Option(help="`review` adds groups that nobody has looked at yet.")
    ] = "publish",
    shopify_ids: Annotated[
        Path | None,
        typer.Option(help="For shopify: result of a bulk query of id and handle of all products."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Writes groups of two or more products for a feed, a shop, a page or a PIM.

    - **google**, **meta**: a supplemental feed with item_group_id
    - **schema-org**: ProductGroup in JSON-LD
    - **shopify-parents**, then **shopify**: input of productCreate and combinedListingUpdate
    - **akeneo-models**, then **akeneo-products**: CSV of product models, and of their products

    What a format cannot hold is left out and told; see docs/how-to-exports.md.
    """
    from flows.groups_export import exported

    bands = {"publish": ("publish",), "review": ("publish", "review")}
    if band not in bands:
        raise typer.BadParameter("take publish or review", param_hint="--band")
    found = exported(find_project(), catalogue, version, format, out, bands[band], shopify_ids)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    for one in found["left_out"][:SHOWN]:
        print(f"left out: product {visible(one['product_id'])}: {one['reason']}", file=sys.stderr)
    if len(found["left_out"]) > SHOWN:
        print(f"… and {len(found['left_out']) - SHOWN} more; --json lists all", file=sys.stderr)
    print(
        f"{found['products']} products of {catalogue}, version {found['version']}: {found['out']}"
    )
