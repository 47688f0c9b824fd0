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
        UserError: the dvc.lock of the version is lost.
    """
    snapshot, digest = version.tags.get("snapshot"), version.tags.get("dvc_lock_sha256")
    needed = {snapshot} if snapshot else set()
    if not digest:
        return needed
    lock = _lock_of(root, client, version, digest)
    if lock is None:
        raise UserError(
            f"the dvc.lock of {uri_of(version)} is neither in this clone nor with its model, so it "
            f"is not known what the version needs: fetch its commit {version.tags.get('commit')}"
        )
    return needed | outputs_in(lock.decode("utf-8", "replace"))


def _lock_of(root: Path, client: MlflowClient, version: ModelVersion, digest: str) -> bytes | None:
    """The dvc.lock of a version's commit, or the copy in its model or run, or None."""
    commit = version.tags.get("commit", "")
    with suppress(UserError):
        if commit.isalnum():
            # Git's output comes without its last line end.
            text = git(root, "cat-file", "blob", f"{commit}:dvc.lock") + "\n"
            lock = text.encode(errors="surrogateescape")
            if hashlib.sha256(lock).hexdigest() == digest:
                return lock
    kept = lineage.lineage_file(client, version, lineage.LOCK)
    with suppress(MlflowException, OSError):
        if kept is None:
            run = version.run_id or ""
            kept = Path(client.download_artifacts(run, "lineage/dvc.lock")).read_bytes()
        return kept if hashlib.sha256(kept).hexdigest() == digest else None
    return None
