"""The pointer to a snapshot: the file data/snapshot.dvc, which DVC writes and people can edit."""

from dataclasses import dataclass

import yaml

from ml.core.errors import UserError
from ml.core.paths import SNAPSHOT

POINTER = SNAPSHOT.with_suffix(".dvc")


@dataclass(frozen=True)
class Pointer:
    """What a pointer says.

    Attributes:
        snapshot: id of the snapshot: DVC's own hash of the folder.
        source: folder or URL of the shop; None if it was not imported by this project.
        products: number of products; None if it is not known.
    """

    snapshot: str
    source: str | None
    products: int | None


def read_pointer(text: str, where: str) -> Pointer:
    """Reads the content of a pointer.

    Args:
        text: the content.
        where: names its place in the error.

    Raises:
        UserError: the content is no pointer; a merge may have left its marks in it, for instance.
    """
    try:
        content = yaml.safe_load(text)
        meta = content.get("meta") or {}
        return Pointer(str(content["outs"][0]["md5"]), meta.get("source"), meta.get("products"))
    except (yaml.YAMLError, AttributeError, LookupError, TypeError) as error:
        raise UserError(
            f"{POINTER} of {where} is no pointer to a snapshot: restore it from an earlier commit, "
            "or import the shop again with `variants snapshot SHOP`"
        ) from error
