"""`variants groups export`: a version of a catalogue's groups in the format of somebody else."""

from pathlib import Path
from typing import Any

from flows.catalogue.looks import colours, looks_of
from flows.catalogue.places import store_of
from flows.groups import find
from flows.local.access import refuse_file
from flows.local.project import Project
from ml.catalogue.colour_names import name_colours
from ml.core.errors import UserError
from ml.core.reasons import reason
from ml.exports.exports import PUBLISH, check_format, write_export
from ml.exports.shopify import with_shopify_ids

SHOPIFY = "shopify"  # the format that needs the shop's ids


def exported(
    project: Project,
    catalogue: str,
    number: int,
    name: str,
    out: Path,
    bands: tuple[str, ...] = PUBLISH,
    shopify_ids: Path | None = None,
) -> dict[str, Any]:
    """Writes a version of a catalogue's groups in a format of `ml.exports.exports.EXPORTS`.

    Args:
        number: of the version; 0: the newest.
        bands: only groups of these bands go out.
        shopify_ids: see `ml.exports.shopify.with_shopify_ids`.

    Returns:
        {"catalogue", "version", "products": number of products written, "left_out": product_id and
        reason of those that the format cannot hold, "out": file}.

    Raises:
        UserError: there is no such version or format, a file cannot be read or written, or there is
            nothing to write.
    """
    check_format(name)
    if shopify_ids and name != SHOPIFY:
        raise UserError(f"--shopify-ids is for the format {SHOPIFY} alone: leave it out for {name}")
    store, path = store_of(project), (Path.cwd() / out).resolve()
    refuse_file(path)
    version = find(store, catalogue, number)
    groups = version.products
    named = name_colours(groups.get("base_colour"), colours(looks_of(store), groups["sha256"]))
    groups = groups.assign(colour=named["colour"].to_numpy())
    if shopify_ids:
        try:
            groups = with_shopify_ids(groups, shopify_ids)
        except OSError as error:
            words = f"the file '{shopify_ids}' cannot be read: {reason(error)}"
            raise UserError(words) from error
        except UnicodeDecodeError as error:
            raise UserError(f"the file '{shopify_ids}' is no text in UTF-8") from error
    written, left_out = write_export(name, groups, path, bands)
    return {
        "catalogue": catalogue,
        "version": version.number,
        "products": written,
        "left_out": left_out.astype(str).to_dict("records"),
        "out": str(path),
    }
