"""`python -m ml.untrained TABLE RESULT` groups the products of a table."""

from pathlib import Path

from ml.core.command import run_stage
from ml.core.files import read_table, write_table
from ml.core.progress import progress
from ml.untrained.predictor import untrained_predictor


def main(table: Path, result: Path) -> None:
    """Groups the products of a table by the untrained encoder.

    TABLE is a Parquet file with product_id, image (path), brand, gender and article_type. RESULT
    gets group, score, band and problem of each product, in the same order.
    """
    products = read_table(table)
    pictures = (
        Path(one).read_bytes() if isinstance(one, str) else None for one in products["image"]
    )
    predictor = untrained_predictor()
    with progress("group", len(products), "pictures") as advance:
        embedded = predictor.embed(pictures, products["article_type"], advance)
    write_table(result, predictor.group(products, embedded))


run_stage(main)
