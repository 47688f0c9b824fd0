"""Asking a registered model, in a process of its own (see mlflow/score.py)."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from flows.local.process import CommandError, stream
from flows.local.project import Project
from ml.data.schema import CATALOG_COLUMNS

SCRIPT = "mlflow/score.py"
Log = Callable[[str], None]


def embed_with(
    project: Project, model_uri: str, table: pd.DataFrame, log: Log = lambda line: None
) -> np.ndarray:
    """Embeddings of a table of products by a registered model.

    Args:
        table: image (path), brand, gender, article_type.

    Returns:
        float32 (products, size); rows of zeros where a picture cannot be read.
    """
    return np.ascontiguousarray(
        _ask(project, model_uri, table, "embeddings", log).to_numpy(np.float32)
    )


def group_with(
    project: Project, model_uri: str, table: pd.DataFrame, log: Log = lambda line: None
) -> pd.DataFrame:
    """group, score and problem of each product of a table, by a registered model."""
    return _ask(project, model_uri, table, "groups", log)


def _ask(
    project: Project, model_uri: str, table: pd.DataFrame, output: str, log: Log
) -> pd.DataFrame:
    (project.room / "tmp").mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=project.room / "tmp") as folder:
        asked, answered = Path(folder, "asked.parquet"), Path(folder, "answered.parquet")
        table[[column for column in CATALOG_COLUMNS if column in table]].to_parquet(asked)
        command = [
            sys.executable,
            str(project.root / SCRIPT),
            model_uri,
            str(asked),
            str(answered),
            output,
        ]
        try:
            stream(
                command, Path(folder), log, environment={"MLFLOW_TRACKING_URI": project.mlflow_uri}
            )
        except CommandError as error:
            raise RuntimeError(
                f"the model {model_uri} failed:\n" + "\n".join(error.tail)
            ) from error
        return pd.read_parquet(answered)
