"""The flow `group`: groups the colour variants of a whole catalogue by a registered model."""

from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.display.prefect_artifacts import stage_log
from flows.local.environment import set_up
from flows.local.markdown import code
from flows.local.project import find_project
from flows.local.temporary_import import borrowed
from flows.registry.remote_predict import group_with
from flows.registry.tracking import connect
from flows.registry.versions import CHAMPION, find_version, policy_of, uri_of
from ml.serve.groups_page import write_groups


@flow(flow_run_name="group {source}")
def group(source: str, out: str = ".variants/groups", model: str = "") -> dict[str, Any]:
    """Finds the colour variants of a catalogue.

    Args:
        source: Folder or fsspec URL of the shop.
        out: Folder for the results: groups.csv (product_id, group, score, problem), and groups.html
            for people.
        model: A registered model such as models:/color-variants/3. Empty: the champion.

    Returns:
        {"model": URI of the version, "products": number of products, "groups": number of groups of
        two or more, "grouped": number of products in them, "unreadable": number of pictures that
        cannot be read, "out": folder}.

    Raises:
        UserError: there is no such model, or the shop is refused.
    """
    set_up()
    project = find_project()
    client = connect(project)
    version = find_version(
        client, model or f"models:/{policy_of(project).models.production}@{CHAMPION}"
    )
    with borrowed(project, source) as shop:
        found = group_with(project, uri_of(version), shop.products, stage_log("group"))
        folder = (Path.cwd() / out).resolve()
        counts = write_groups(shop.products, found, uri_of(version), folder)
    create_markdown_artifact(
        f"# {counts['groups']} groups\n\n"
        f"{counts['grouped']} of {counts['products']} products; see {code(folder)}.",
        key="groups",
    )
    get_run_logger().info(
        "%s groups hold %s of %s products: %s",
        *(counts[k] for k in ("groups", "grouped", "products")),
        folder,
    )
    return {"model": uri_of(version), **counts, "out": str(folder)}
