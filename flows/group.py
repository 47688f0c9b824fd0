"""The flow `group`: a new version of a catalogue's groups, by a registered model."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.catalogue.grouping import Asked, Grouped, group_catalogue
from flows.catalogue.lineage import note_grouping
from flows.catalogue.looks import colours, keep_looks, looks_of, thumbnails
from flows.catalogue.places import one_grouping_at_a_time, store_of
from flows.catalogue.shop import kept_shop
from flows.display.prefect_artifacts import stage_log
from flows.display.states import refusals_are
from flows.local.access import refuse_closed
from flows.local.environment import set_up
from flows.local.markdown import code, plain
from flows.local.project import Project, find_project
from flows.local.source import Source
from flows.local.temporary_import import borrowed
from flows.local.untrained import UNTRAINED, caution, group_untrained, refuse_memory
from flows.registry.people import person
from flows.registry.tracking import connect
from flows.registry.usable_model import usable_model
from ml.catalogue.groups_page import Looks, write_groups
from ml.catalogue.store import Store
from ml.catalogue.versions import catalogue_name, is_told, note_told
from ml.core.spreadsheet import write_csv


@flow(flow_run_name="group {source}")
@refusals_are("Refused input")
def group(
    source: Source,
    out: str = ".variants/groups",
    model: str = "",
    columns: dict[str, str] = {},  # noqa: B006 (never changed; a form shows what it may hold)
    catalogue: str = "",
    by: str = "",
    regroup: bool = False,
    new_only: bool = False,
    cluster: str = "",
) -> dict[str, Any]:
    """Finds the colour variants of a catalogue.

    Args:
        source: Folder or fsspec URL of the shop, without password or token.
        out: Folder for the results: groups.csv (product_id, group, score, band, problem),
            changes.csv, and groups.html for people.
        model: A registered model such as models:/color-variants/3, or "untrained" for first groups
            by an encoder that was never trained, which are not remembered. Empty: the champion.
        columns: The shop's names of columns and the public format's, such as {"sku": "product_id"}.
        catalogue: Name under which groups are remembered. Empty: the last part of the source.
        by: Your name, for the record. Empty: git's user name.
        regroup: Whether earlier groups count for nothing but the ids.
        new_only: Whether the shop holds only new or changed products, and the others stay.
        cluster: Address of a Dask scheduler, such as tcp://10.0.0.5:8786, on whose workers
            pictures are embedded and blocks are grouped. Empty: here.

    Returns:
        {"model": URI of the version, or "untrained", "caution": what groups of the untrained
        encoder are worth, empty for a registered model, "catalogue": its name, "version": number of
        the grouping, None if it is not remembered, "made": whether it is new, "embedded": number of
        pictures that were embedded now, "changes": number of each kind of change, "run": id of the
        MLflow run, or None, "products": number of products, "groups": number of groups of two or
        more, "published": number of those to publish, "grouped": number of products in groups,
        "unreadable": number of pictures that cannot be read, "out": folder}.

    Raises:
        UserError: there is no such model, or the shop is refused.
    """
    set_up()
    project, folder = find_project(), (Path.cwd() / out).resolve()
    refuse_closed(folder)
    refuse_memory(model, regroup, new_only)
    if model == UNTRAINED:
        found = _first_groups(project, source, columns, folder)
    else:
        name = catalogue_name(catalogue, source)
        asked = Asked(name, source, columns, person(project, by), regroup, new_only)
        found = _remembered(project, asked, usable_model(project, model), folder, cluster)
    words = found["caution"] or found["model"]
    create_markdown_artifact(
        f"# {found['groups']} groups, {found['published']} of them to publish\n\n"
        f"{found['grouped']} of {found['products']} products; see {code(folder)}.\n\n"
        f"By {plain(words)}.",
        key="groups",
    )
    get_run_logger().info(
        "%s groups hold %s of %s products: %s",
        *(found[name] for name in ("groups", "grouped", "products")),
        folder,
    )
    return found | {"out": str(folder)}


def _first_groups(
    project: Project, source: str, columns: dict[str, str], folder: Path
) -> dict[str, Any]:
    """Groups without a registered model and without memory."""
    with borrowed(project, source, columns) as shop:
        found = group_untrained(project, shop.products, stage_log("group"))
        products = shop.products.drop(columns=[*found.columns, "representative"], errors="ignore")
        products = pd.concat(
            [products.reset_index(drop=True), found.reset_index(drop=True)], axis=1
        )
        counts = write_groups(products, caution(), folder, _looks(store_of(project), products))
    nothing = {"catalogue": "", "version": None, "made": False, "embedded": counts["products"]}
    return {
        "model": UNTRAINED,
        "caution": caution(),
        **nothing,
        "changes": {},
        "run": None,
    } | counts


def _remembered(
    project: Project, asked: Asked, uri: str, folder: Path, cluster: str
) -> dict[str, Any]:
    """Groups by a registered model, with the memory of the catalogue."""
    store, log = store_of(project), stage_log("group")
    with one_grouping_at_a_time(project, store, asked.catalogue):
        with kept_shop(project, asked.source, asked.columns, log) as shop:
            found = group_catalogue(project, store, asked, uri, shop, log, cluster)
            if not (found.made or project.reads_only or is_told(store, found.version)):
                found = replace(found, made=True)  # whoever made it was killed before telling of it
            _write(store, found, shop, uri, folder)
        run = note_grouping(project, connect(project), found.version, log) if found.made else None
        if found.made:
            note_told(store, found.version)
    facts = found.version.facts
    return {
        "model": uri,
        "caution": "",
        "catalogue": asked.catalogue,
        "version": found.version.number,
        "made": found.made,
        "embedded": found.embedded,
        "changes": facts["changes"] if found.made else {},
        "run": run,
    } | facts["counts"]


def _write(store: Store, found: Grouped, shop: pd.DataFrame, uri: str, folder: Path) -> None:
    products = found.version.products
    paths = shop.set_index("product_id")["image"].reindex(products["product_id"])
    changes = found.version.changes
    changes = changes if found.made else changes.iloc[:0]
    looks = _looks(store, products.assign(image=paths.to_numpy()))
    write_groups(products, uri, folder, looks, changes)
    write_csv(folder / "changes.csv", changes)


def _looks(store: Store, products: pd.DataFrame) -> Looks:
    """Returns thumbnails and colours, of which those that are missing are made and kept."""
    kept = looks_of(store)
    keep_looks(kept, products)
    return Looks(colours(kept, products["sha256"]), lambda digests: thumbnails(kept, digests))
