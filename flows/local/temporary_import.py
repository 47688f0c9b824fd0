"""Imports a shop for the duration of a command, as a table that registered models accept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from flows.local.project import Project
from flows.local.scratch import scratch
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.data.blocks import fill_unknown
from ml.snapshot.stage import import_shop


@dataclass(frozen=True)
class ShopTable:
    """A shop that is imported temporarily.

    Attributes:
        products: the catalogue, with the column image: path of the stored picture, or None if the
            picture is missing. A missing brand, gender or article type is "unknown".
        pairs: annotated pairs, or None if the shop has none.
        blocks: product_id and design of the products of complete blocks; empty if it has none.
        unsure: left and right, the pairs of these that nobody could decide.
    """

    products: pd.DataFrame
    pairs: pd.DataFrame | None
    blocks: pd.DataFrame
    unsure: pd.DataFrame


@contextmanager
def borrowed(
    project: Project, source: str, columns: dict[str, str] | None = None
) -> Iterator[ShopTable]:
    """Imports a shop, and removes the copy when the block ends.

    Args:
        source: folder or fsspec URL of the shop.
        columns: the shop's names of columns → the format's (see `ml.snapshot.description`).

    Raises:
        UserError: the import refuses the shop, or an id is missing or not unique.
    """
    with scratch(project, "shop") as folder:
        snapshot = folder / "snapshot"
        import_shop(source, snapshot, columns=columns)
        products = products_of(snapshot, source)
        pairs, blocks, unsure = (
            read_table(file) if file.is_file() else None
            for file in (
                snapshot / f"{name}.parquet" for name in ("pairs", "blocks", "blocks_unsure_pairs")
            )
        )
        yield ShopTable(
            products,
            pairs,
            pd.DataFrame(columns=["product_id", "design"]) if blocks is None else blocks,
            pd.DataFrame(columns=["left", "right"]) if unsure is None else unsure,
        )


def products_of(snapshot: Path, source: str) -> pd.DataFrame:
    """Returns the catalogue of an imported shop; see `ShopTable`.

    Args:
        snapshot: folder of the imported shop.
        source: what people call it.

    Raises:
        UserError: an id is missing or not unique.
    """
    products = read_table(snapshot / "catalog.parquet")
    without = products.loc[products["product_id"].isna(), "image"]
    if len(without):
        raise UserError(
            f"the catalogue of '{source}' has products without an id: "
            f"{', '.join(map(str, without[:10]))}; give each product an id of its own"
        )
    twice = products.loc[products["product_id"].duplicated(), "product_id"]
    if len(twice):
        raise UserError(
            f"the catalogue of '{source}' has ids that come twice or more: "
            f"{', '.join(twice[:10])}; give each product an id of its own"
        )
    products = fill_unknown(products)
    names = products["sha256"]
    products["image"] = [
        None if pd.isna(name) else str(snapshot / "images" / name) for name in names
    ]
    return products
