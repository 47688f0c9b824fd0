"""Runs a registered model in a process of its own (see mlflow/score.py)."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from flows.local.process import CommandError, stream
from flows.local.project import Project
from flows.local.scratch import scratch
from flows.registry.tracking import connect
from flows.registry.verified_files import digest_on_record, verified_copy
from flows.registry.versions import find_version
from ml.core.files import read_table
from ml.data.schema import CATALOG_COLUMNS

SCRIPT = "mlflow/score.py"
Log = Callable[[str], None]


def embed_with(
    project: Project, model_uri: str, table: pd.DataFrame, log: Log = lambda line: None
) -> np.ndarray:
    """Returns a registered model's embeddings of the products in a table.

    Args:
        model_uri: such as models:/color-variants/3.
        table: columns image (path), brand, gender, article_type.
        log: called with each line that the model's process prints.

    Returns:
        float32 (products, size); zeros for a product whose picture cannot be read.

    Raises:
        UserError: there is no such model, or a file of it is not as the gate judged it.
        RuntimeError: the model failed.
    """
    return np.ascontiguousarray(
        _predict(project, model_uri, table, "embeddings", log).to_numpy(np.float32)
    )


def group_with(
    project: Project, model_uri: str, table: pd.DataFrame, log: Log = lambda line: None
) -> pd.DataFrame:
    """Returns group, score, band and problem of each product in a table, by a registered model.

    A model that was registered before there were bands has none.

    The arguments and errors are those of `embed_with`.
    """
    found = _predict(project, model_uri, table, "groups", log)
    columns = [one for one in ("group", "score", "band", "problem") if one in found]
    return found[columns].astype({"score": float})


def _predict(
    project: Project, model_uri: str, table: pd.DataFrame, output: str, log: Log
) -> pd.DataFrame:
    with scratch(project, "predict") as folder:
        products, result = Path(folder, "products.parquet"), Path(folder, "result.parquet")
        table[[column for column in CATALOG_COLUMNS if column in table]].to_parquet(products)
        model = _loadable(project, model_uri, Path(folder, "judged"))
        run_score(project, model, [str(products), str(result), output], folder, log, model_uri)
        return read_table(result)


def score_command(
    project: Project, model: Path | str, arguments: list[str]
) -> tuple[list[str], dict[str, str]]:
    """Returns what runs mlflow/score.py, and the variables that it needs; see `run_score`."""
    command = [sys.executable, str(project.root / SCRIPT), str(model), *arguments]
    return command, {"MLFLOW_TRACKING_URI": project.mlflow_uri}


def run_score(
    project: Project,
    model: Path | str,
    arguments: list[str],
    folder: Path,
    log: Log,
    named: str = "",
) -> None:
    """Runs mlflow/score.py.

    Args:
        model: a model's folder or URI.
        arguments: those after the model.
        folder: the process runs in it.
        named: what people call the model.

    Raises:
        RuntimeError: the model failed.
    """
    command, environment = score_command(project, model, arguments)
    try:
        stream(command, folder, log, environment)
    except CommandError as error:
        raise RuntimeError(
            f"the model {named or model} failed:\n" + "\n".join(error.tail)
        ) from error


def _loadable(project: Project, model_uri: str, folder: Path) -> Path | str:
    """A copy of the model with the files that the gate judged; the URI if no record has them."""
    if not model_uri.startswith("models:/"):
        return model_uri
    client = connect(project)
    version = find_version(client, model_uri)
    if digest_on_record(client, version) is None:
        return model_uri
    folder.mkdir()
    return verified_copy(client, version, folder)
