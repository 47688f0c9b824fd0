"""The flow `group`: groups a catalogue by a registered model, or by one that was never trained."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.display.prefect_artifacts import stage_log
from flows.display.states import refusals_are
from flows.local.access import refuse_closed
from flows.local.environment import set_up
from flows.local.markdown import code, plain
from flows.local.project import Project, find_project
from flows.local.source import Source
from flows.local.temporary_import import borrowed
from flows.local.untrained import UNTRAINED, caution, group_untrained
from flows.registry.model_files import refuse_unusable
from flows.registry.outside_move import named_or_champion
from flows.registry.remote_predict import group_with
from flows.registry.tracking import connect
from flows.registry.versions import policy_of, uri_of
from ml.core.errors import UserError
from ml.serve.groups_page import write_groups


@flow(flow_run_name="group {source}")
@refusals_are("Refused input")
def group(
    source: Source,
    out: str = ".variants/groups",
    model: str = "",
    columns: dict[str, str] = {},  # noqa: B006 (never changed; a form shows what it may hold)
) -> dict[str, Any]:
    """Finds the colour variants of a catalogue.

    Args:
        source: Folder or fsspec URL of the shop, without password or token.
        out: Folder for the results: groups.csv (product_id, group, score, band, problem), and
            groups.html for people.
        model: A registered model such as models:/color-variants/3, or "untrained" for first groups
            by an encoder that was never trained. Empty: the champion.
        columns: The shop's names of columns and the public format's, such as {"sku": "product_id"}.

    Returns:
        {"model": URI of the version, or "untrained", "caution": what groups of the untrained
        encoder are worth, empty for a registered model, "products": number of products, "groups":
        number of groups of two or more, "published": number of those to publish, "grouped": number
        of products in groups, "unreadable": number of pictures that cannot be read, "out": folder}.

    Raises:
        UserError: there is no such model, or the shop is refused.
    """
    set_up()
    project, folder = find_project(), (Path.cwd() / out).resolve()
    refuse_closed(folder)
    untrained = model == UNTRAINED
    uri = UNTRAINED if untrained else _registered(project, model)
    words = caution() if untrained else ""
    log = stage_log("group")
    with borrowed(project, source, columns) as shop:
        found = (
            group_untrained(project, shop.products, log)
            if untrained
            else group_with(project, uri, shop.products, log)
        )
        counts = write_groups(shop.products, found, words or uri, folder)
    create_markdown_artifact(
        f"# {counts['groups']} groups, {counts['published']} of them to publish\n\n"
        f"{counts['grouped']} of {counts['products']} products; see {code(folder)}.\n\n"
        f"By {plain(words or uri)}.",
        key="groups",
    )
    get_run_logger().info(
        "%s groups hold %s of %s products: %s",
        *(counts[k] for k in ("groups", "grouped", "products")),
        folder,
    )
    return {"model": uri, "caution": words, **counts, "out": str(folder)}


def _registered(project: Project, model: str) -> str:
    """Returns the URI of the version that a person named, or of the champion."""
    client, policy = connect(project), policy_of(project)
    try:
        version = named_or_champion(project, client, policy, model)
        refuse_unusable(client, version)
        return uri_of(version)
    except UserError as error:
        if model:
            raise
        raise UserError(
            f"{error}; or take `--model {UNTRAINED}` for first groups by {caution()}"
        ) from error
