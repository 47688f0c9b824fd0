"""`python -m ml.untrained.features TABLE RESULT` embeds pictures by the untrained encoder."""

from pathlib import Path

import pandas as pd

from ml.core.command import run_stage
from ml.core.files import read_table, write_table
from ml.core.progress import progress
from ml.untrained.predictor import untrained_predictor


def main(table: Path, result: Path) -> None:
    """Embeds the pictures of a table.

    TABLE is a Parquet file with key, image (path) and article_type. RESULT gets key, embedding
    (not whitened; zeros if there is a problem) and problem of each picture, in the same order.
    """
    asked = read_table(table)
    pictures = (Path(one).read_bytes() for one in asked["image"])
    with progress("untrained", len(asked), "pictures") as advance:
        found = untrained_predictor().embed(pictures, asked["article_type"], advance)
    columns = {"key": asked["key"], "embedding": list(found.embeddings), "problem": found.problems}
    write_table(result, pd.DataFrame(columns))


if __name__ == "__main__":
    run_stage(main)
