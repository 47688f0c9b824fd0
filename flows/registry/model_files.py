"""The files of a registered model: weights, how it crops and how it groups."""

from pathlib import Path, PurePosixPath
from typing import Any

from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.outages import outage
from flows.registry.versions import uri_of
from ml.core.errors import UserError
from ml.core.files import read_json

FOLDER = "artifacts/model"  # below the model's URI
NEEDED = ("encoder.safetensors", "encoder.json", "grouping.json")


def unusable(client: MlflowClient, version: ModelVersion) -> str | None:
    """Returns in words why the model of a version cannot be used; None if its files are there.

    Files are only listed, so the answer is quick. If the place of the files does not answer, that
    proves nothing about the model, so it is an error.

    Raises:
        UserError: the place of the files does not answer.
    """
    try:
        found = list_artifacts(
            artifact_uri=f"{uri_of(version)}/{FOLDER}", tracking_uri=client.tracking_uri
        )
        place = client.get_model_version_download_uri(version.name, str(version.version))
    except Exception as error:  # each kind of store has errors of its own
        if outage(error):
            raise
        raise UserError(f"the files of {uri_of(version)} cannot be listed: {error}") from error
    names = {PurePosixPath(file.path).name for file in found}
    missing = [name for name in NEEDED if name not in names]
    if not names:
        return f"its files are gone from {place}, or are not those of a model of this project"
    return f"{place}/{FOLDER} lacks {', '.join(missing)}" if missing else None


def refuse_unusable(client: MlflowClient, version: ModelVersion) -> None:
    """Refuses a version whose model cannot be used.

    Raises:
        UserError: the model cannot be used, or the place of its files does not answer.
    """
    why = unusable(client, version)
    if why:
        raise UserError(
            f"{uri_of(version)} cannot be used: {why}; restore the files from a backup, or take "
            "another version: `variants status` lists them"
        )


def model_file(client: MlflowClient, version: ModelVersion, name: str) -> Path:
    """Downloads a file of the model itself, which is still there if the run is deleted.

    Args:
        name: path below the model's folder of weights and JSON, such as grouping.json.

    Returns:
        The downloaded file.

    Raises:
        UserError: as `refuse_unusable`.
    """
    refuse_unusable(client, version)
    uri = f"{uri_of(version)}/{FOLDER}/{name}"
    return Path(download_artifacts(artifact_uri=uri, tracking_uri=client.tracking_uri))


def grouping_of(client: MlflowClient, version: ModelVersion) -> dict[str, Any]:
    """Returns the content of a version's grouping.json; it raises as `refuse_unusable`.

    Its "method" is "average" for models from before there was a choice of clusterings, and its
    "split_by" is "brand" for those from before there was a choice of splits.
    """
    before = {"method": "average", "split_by": "brand"}
    return before | read_json(model_file(client, version, "grouping.json"))
