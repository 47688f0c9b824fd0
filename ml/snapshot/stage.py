"""Stage snapshot: imports a shop; pictures under their SHA-256, tables as Parquet.

Equal shops give equal bytes.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from ml.core.files import replacing, write_table
from ml.core.paths import SNAPSHOT
from ml.core.progress import progress
from ml.snapshot.shop import open_shop


def main(source: str, out: Path = SNAPSHOT) -> None:
    """Imports the shop SOURCE (a folder or fsspec URL) and replaces the whole snapshot folder."""
    import_shop(source, out)


def import_shop(source: str, out: Path) -> None:
    """Copies a shop into a snapshot.

    It writes catalog.parquet (the shop's columns and sha256, sorted by product_id), pairs.parquet
    (sorted; only if the shop has pairs), and images/SHA256. If a picture is missing, its sha256 is
    None, which the data contract reports. The order of rows in the shop does not matter.

    Raises:
        UserError: see `open_shop`; or a picture is a symbolic link. Nothing is written then.
    """
    shop = open_shop(source)
    catalog = shop.catalog.sort_values(["product_id", "image"], kind="stable", ignore_index=True)
    with replacing(out) as beside:
        (beside / "images").mkdir(parents=True)

        def store(image: str | None) -> str | None:
            content = shop.read_picture(image) if image else None
            if content is None:
                return None
            name = hashlib.sha256(content).hexdigest()
            (beside / "images" / name).write_bytes(content)
            return name

        with (
            progress("import pictures", len(catalog), "pictures") as advance,
            ThreadPoolExecutor() as pool,
        ):
            names = []
            for name in pool.map(store, catalog["image"]):
                names.append(name)
                advance()
        write_table(
            beside / "catalog.parquet", catalog.assign(sha256=pd.Series(names, dtype=object))
        )
        if shop.pairs is not None and len(shop.pairs):
            pairs = shop.pairs.sort_values(["left", "right"], kind="stable", ignore_index=True)
            write_table(beside / "pairs.parquet", pairs)
