"""What registered versions need of DVC's cache: their snapshots, and all that their stages made."""

import hashlib
from contextlib import suppress
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from flows.local.git import git
from flows.local.needed_objects import outputs_in
from flows.registry import lineage
from flows.registry.versions import uri_of
from ml.core.errors import UserError


class LockLost(UserError):
    """Nobody has the dvc.lock of a version any more."""


def all_versions(client: MlflowClient) -> list[ModelVersion]:
    """Returns all versions of all registered models."""
    found: list[ModelVersion] = []
    token: str | None = None
    while True:
        page = client.search_model_versions(max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def needs_of_version(root: Path, client: MlflowClient, version: ModelVersion) -> set[str]:
    """Returns the hashes of a version's snapshot and of all that its stages have made.

    They are empty for a version that somebody registered by hand: DVC knows nothing of it.

    Args:
        root: top folder of a clone, which may hold the version's commit.

    Raises:
        LockLost: the dvc.lock of the version is lost.
        UserError: the place of the model's files does not answer.
    """
    if not version.tags.get("dvc_lock_sha256"):
        return _needs(version, None)
    for lock in (_in_clone, _in_model, _in_run):
        found = lock(root, client, version)
        if found and hashlib.sha256(found).hexdigest() == version.tags["dvc_lock_sha256"]:
            return _needs(version, found)
    raise LockLost(
        f"the dvc.lock of {uri_of(version)} is neither in this clone nor with its model, so it is "
        f"not known what the version needs: fetch its commit {version.tags.get('commit')}"
    )


def needs_known_here(root: Path, version: ModelVersion) -> set[str]:
    """Does what `needs_of_version` does, at once: empty where the clone lacks the commit.

    Such a version was made elsewhere.
    """
    lock = _in_clone(root, None, version)
    return _needs(version, lock) if lock else set()


def _needs(version: ModelVersion, lock: bytes | None) -> set[str]:
    snapshot = version.tags.get("snapshot")
    needed = {snapshot} if snapshot else set()
    return needed | outputs_in((lock or b"").decode("utf-8", "replace"))


def _in_clone(root: Path, client: MlflowClient | None, version: ModelVersion) -> bytes | None:
    commit = version.tags.get("commit", "")
    with suppress(UserError):
        if commit.isalnum():
            # Git's output comes without its last line end.
            text = git(root, "cat-file", "blob", f"{commit}:dvc.lock") + "\n"
            return text.encode(errors="surrogateescape")
    return None


def _in_model(root: Path, client: MlflowClient, version: ModelVersion) -> bytes | None:
    return lineage.lineage_file(client, version, lineage.LOCK)


def _in_run(root: Path, client: MlflowClient, version: ModelVersion) -> bytes | None:
    """Where the dvc.lock of versions lies that older code registered."""
    with suppress(MlflowException, OSError):
        file = client.download_artifacts(version.run_id or "", "lineage/dvc.lock")
        return Path(file).read_bytes()
    return None
