"""Asks a registered model about a table: `python mlflow/score.py MODEL TABLE.parquet ANSWER.parquet groups|embeddings`.

A model brings the code that made it. This script imports nothing of the checkout, so that the `ml`
which runs is the model's own, and an old champion is judged exactly as it serves.
MLFLOW_TRACKING_URI says where models are.
"""

import sys

import mlflow
import pandas as pd


def main(model_uri: str, table: str, answer: str, output: str) -> None:
    """Loads the model, lets it look at the table, and writes what it says."""
    model = mlflow.pyfunc.load_model(model_uri)
    result = model.predict(pd.read_parquet(table), params={"output": output})
    result.columns = [str(column) for column in result.columns]
    result.to_parquet(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])
