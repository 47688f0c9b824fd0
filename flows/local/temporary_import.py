"""Imports a shop for the duration of a command, as a table that registered models accept."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from flows.local.project import Project
from ml.core.errors import UserError
from ml.core.files import read_table
from ml.data.schema import BLOCK
from ml.snapshot.stage import import_shop


@dataclass(frozen=True)
class ShopTable:
    """A shop that is imported temporarily.

    Attributes:
        products: the catalogue, with the column image: path of the stored picture, or None if the
            picture is missing.
        pairs: annotated pairs, or None if the shop has none.
    """

    products: pd.DataFrame
    pairs: pd.DataFrame | None


@contextmanager
def borrowed(project: Project, source: str) -> Iterator[ShopTable]:
    """Imports a shop, and removes the copy when the block ends.

    Args:
        source: folder or fsspec URL of the shop.

    Raises:
        UserError: the import refuses the shop, an id is missing or not unique, or a product has no
            brand, gender or article type.
    """
    (project.room / "tmp").mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.room / "tmp") as folder:
        snapshot = Path(folder, "snapshot")
        import_shop(source, snapshot)
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
        for column in BLOCK:
            empty = products.loc[products[column].isna(), "product_id"]
            if len(empty):
                raise UserError(
                    f"the catalogue of '{source}' lacks the {column} of {', '.join(empty[:10])}: "
                    "fill it in, since only products of the same block are compared"
                )
        names = products["sha256"]
        products["image"] = [
            None if pd.isna(name) else str(snapshot / "images" / name) for name in names
        ]
        pairs = snapshot / "pairs.parquet"
        yield ShopTable(products, read_table(pairs) if pairs.is_file() else None)
