"""Runs a registered model on a table.

    python mlflow/score.py MODEL TABLE.parquet RESULT.parquet groups|embeddings
    python mlflow/score.py MODEL TABLE.parquet FOLDER pictures
    python mlflow/score.py MODEL - ANYTHING answers

A model holds the code that made it. This script imports nothing of the checkout, so that the model
uses its own `ml`, and an old champion is measured exactly as it serves. MLFLOW_TRACKING_URI names
the registry. The model is copied beside the result: MLflow writes into the folder that it loads
from, which may be in a checkout that is read-only.
"""

import base64
import binascii
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PART = 1024  # pictures whose embeddings are written at once


def main(model_uri: str, table: str, result: str, output: str) -> None:
    """Loads a model, predicts for a table and writes the result.

    Args:
        model_uri: such as models:/color-variants/3.
        table: Parquet file with the model's input columns; for "pictures": key, image (path) and
            article_type.
        result: Parquet file to write; row i belongs to row i of the table. For "pictures": an empty
            folder, which gets files of the columns key, embedding (float16, not relative to a
            block) and problem, each as soon as it is whole.
        output: "groups" or "embeddings", see `ColorVariants.predict` in mlflow/serving.py; or
            "pictures"; or "answers": no table is read; it prints "ready", and then answers each
            line of standard input ({"image": base64, "article_type": …}) by a line of standard
            output ({"embedding": numbers, "problem": text or null}).
    """
    copy = Path(result).with_name("model")
    copy.mkdir()
    # The table's paths are those of this project's snapshots, wherever its DVC links them from.
    config = {"root": "/"}
    model = mlflow.pyfunc.load_model(model_uri, dst_path=str(copy), model_config=config)
    if output == "answers":
        _answer(model.unwrap_python_model().predictor)
        return
    asked = pq.ParquetFile(table).read().to_pandas()
    if output == "pictures":
        _embed(model.unwrap_python_model().predictor, asked, Path(result))
        return
    found = model.predict(asked, params={"output": output})
    found.columns = [str(column) for column in found.columns]
    found.to_parquet(result)


def _embed(predictor: Any, asked: pd.DataFrame, folder: Path) -> None:
    progress = importlib.import_module("ml.core.progress").progress  # of the model's own code
    with progress("embed", len(asked), "pictures") as advance:
        for start in range(0, len(asked), PART):
            part = asked.iloc[start : start + PART]
            found = predictor.embed(_contents(part["image"]), part["article_type"], advance)
            values = pa.array(found.embeddings.astype(np.float16).ravel())
            columns = {
                "key": part["key"].tolist(),
                "embedding": pa.FixedSizeListArray.from_arrays(values, found.embeddings.shape[1]),
                "problem": pa.array(found.problems, pa.string()),
            }
            beside = folder / f".{start:09d}"
            pq.write_table(pa.table(columns), beside)
            beside.replace(folder / f"{start:09d}.parquet")


def _answer(predictor: Any) -> None:
    """Answers line by line; whatever else is printed goes to standard error."""
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            content = base64.b64decode(asked["image"], validate=True)
        except binascii.Error:
            found = {"embedding": [], "problem": "it is not base64 of a picture's file"}
        else:
            one = predictor.embed([content], [asked["article_type"]])
            found = {"embedding": one.embeddings[0].tolist(), "problem": one.problems[0]}
        print(json.dumps(found), file=answers, flush=True)


def _contents(paths: pd.Series) -> Iterator[bytes | None]:
    for path in paths:
        yield Path(path).read_bytes() if isinstance(path, str) else None


if __name__ == "__main__":
    main(*sys.argv[1:])
