"""What a registered model keeps of its making in its own files, beside its run.

`lineage/commit.pack` holds the commit with all its files, `lineage/dvc.lock` the hashes of all that
the stages read and wrote. Git and DVC verify both by their hashes, which the version's tags hold.
"""

import shutil
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.commit_pack import pack_commit
from flows.local.outages import outage
from flows.registry.versions import uri_of
from ml.core.errors import UserError

FOLDER = "lineage"  # below the model's URI
PACK, LOCK = "commit.pack", "dvc.lock"


def log_lineage(client: MlflowClient, model_id: str, root: Path) -> None:
    """Adds the last commit of a checkout, and its dvc.lock, to a logged model.

    Args:
        model_id: of the logged model.
        root: top folder of the checkout.
    """
    with TemporaryDirectory() as folder:
        pack_commit(root, Path(folder, PACK))
        shutil.copy(root / LOCK, folder)
        client.log_model_artifacts(model_id, folder, FOLDER)


def lineage_file(client: MlflowClient, version: ModelVersion, name: str) -> bytes | None:
    """Reads a file of a version's lineage.

    Args:
        name: `PACK` or `LOCK`.

    Returns:
        Its content, or None if the version lacks it, as those do that older code registered.

    Raises:
        UserError: the place of the files does not answer.
    """
    where = {"tracking_uri": client.tracking_uri}
    try:
        # Not by the address models:/…, for which MLflow asks the registry of its global setting.
        place = client.get_model_version_download_uri(version.name, str(version.version))
        there = list_artifacts(artifact_uri=f"{place}/{FOLDER}", **where)
        if name not in {PurePosixPath(one.path).name for one in there}:
            return None
        with TemporaryDirectory() as folder:
            uri = f"{place}/{FOLDER}/{name}"
            file = download_artifacts(artifact_uri=uri, dst_path=folder, **where)
            return Path(file).read_bytes()
    except Exception as error:  # each kind of store has errors of its own
        if outage(error):
            raise
        raise UserError(f"the files of {uri_of(version)} cannot be read: {error}") from error
