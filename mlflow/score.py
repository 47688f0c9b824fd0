"""Runs a registered model on a table.

    python mlflow/score.py MODEL TABLE.parquet RESULT.parquet groups|embeddings

A model holds the code that made it. This script imports nothing of the checkout, so that the model
uses its own `ml`, and an old champion is measured exactly as it serves. MLFLOW_TRACKING_URI names
the registry. The model is copied beside the result: MLflow writes into the folder that it loads
from, which may be in a checkout that is read-only.
"""

import sys
from pathlib import Path

import mlflow
import pandas as pd


def main(model_uri: str, table: str, result: str, output: str) -> None:
    """Loads a model, predicts for a table and writes the result.

    Args:
        model_uri: such as models:/color-variants/3.
        table: Parquet file with the model's input columns.
        result: Parquet file to write; row i belongs to row i of the table.
        output: "groups" or "embeddings", see `ColorVariants.predict` in mlflow/serving.py.
    """
    copy = Path(result).with_name("model")
    copy.mkdir()
    # The table's paths are those of this project's snapshots, wherever its DVC links them from.
    config = {"root": "/"}
    model = mlflow.pyfunc.load_model(model_uri, dst_path=str(copy), model_config=config)
    found = model.predict(pd.read_parquet(table), params={"output": output})
    found.columns = [str(column) for column in found.columns]
    found.to_parquet(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
