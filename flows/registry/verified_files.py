"""The files of a model are those that the gate judged, or the model is not used.

The gate hashes every file of a candidate (code, weights, JSON) before it judges it. The decision in
the run holds the hashes, and the event on the audit trail their digest, so that nobody changes one
of them unseen. A promotion notes the digest again for the production version.
"""

import hashlib
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.outages import outage
from flows.registry.audit_trail import events_on
from flows.registry.versions import uri_of
from ml.core.errors import UserError

DECISION = "gate/decision.json"  # artifact of the run
FILES = "files"  # the fact of an event, and the entry of the decision
# What comes and goes with reading a model: MLflow's note of where a copy is from, and bytecode.
READING = ("registered_model_meta", "__pycache__")

Hashes = dict[str, str]  # path below the model's folder → SHA-256


def download(client: MlflowClient, version: ModelVersion, folder: Path) -> Path:
    """Copies all files of a version into an empty folder, without bytecode.

    Returns:
        The folder.

    Raises:
        UserError: the files cannot be read, and that is no outage.
    """
    try:
        # Not by the address models:/…, for which MLflow asks the registry of its global setting.
        place = client.get_model_version_download_uri(version.name, str(version.version))
        beside = folder / ".download"  # some stores put a folder of their own in between
        beside.mkdir()
        found = download_artifacts(
            artifact_uri=place, dst_path=str(beside), tracking_uri=client.tracking_uri
        )
    except Exception as error:  # each kind of store has errors of its own
        if outage(error):
            raise
        raise UserError(f"the files of {uri_of(version)} cannot be read: {error}") from error
    for one in Path(found).iterdir():
        one.rename(folder / one.name)
    shutil.rmtree(beside)
    for compiled in list(folder.rglob("__pycache__")):
        shutil.rmtree(compiled)
    return folder


def hash_files(folder: Path) -> Hashes:
    """Returns the hash of every file of a model that was downloaded."""
    found = {}
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not set(READING) & set(name.split("/")):
            with file.open("rb") as reader:
                found[name] = hashlib.file_digest(reader, "sha256").hexdigest()
    return found


def hashes_of(client: MlflowClient, version: ModelVersion) -> Hashes:
    """Returns the hash of every file of a version as it is now; it raises as `download`."""
    with TemporaryDirectory() as folder:
        return hash_files(download(client, version, Path(folder)))


def digest_of(hashes: Hashes) -> str:
    """Returns one SHA-256 for all hashes: of their lines as `sha256sum` prints them, sorted."""
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def digest_on_record(client: MlflowClient, version: ModelVersion) -> str | None:
    """Returns the digest that the last decision about a candidate, or the promotion of a production
    version, has noted; None for those from before files were hashed."""
    noted = [
        event[FILES]
        for event in events_on(client, version.name).values()
        if event["version"] == uri_of(version) and event.get(FILES)
    ]
    return noted[-1] if noted else None


def refuse_changed(client: MlflowClient, version: ModelVersion, now: Hashes) -> None:
    """Refuses a model of which a file is not as the gate judged it.

    Args:
        now: the hashes of the files that are to be used.

    Raises:
        UserError: a file was changed, added or removed; the message names it.
    """
    noted = digest_on_record(client, version)
    if noted is None or digest_of(now) == noted:
        return
    raise UserError(
        f"{uri_of(version)} cannot be used, since its files are not those that the gate judged: "
        f"{_changes(client, version, noted, now)}; restore the files from a backup, or take "
        "another version: `variants status` lists them"
    )


def verified_copy(client: MlflowClient, version: ModelVersion, folder: Path) -> Path:
    """Copies the files of a version into an empty folder and compares them with the record.

    Raises:
        UserError: as `download` and `refuse_changed`.
    """
    copy = download(client, version, folder)
    refuse_changed(client, version, hash_files(copy))
    return copy


def verify(client: MlflowClient, version: ModelVersion) -> None:
    """Compares the files of a candidate with the record.

    Raises:
        UserError: as `verified_copy`; or the record is of before files were hashed.
    """
    if digest_on_record(client, version) is None:
        raise UserError(
            f"{uri_of(version)} cannot be promoted: the gate decided about it before it hashed "
            "files; the same `variants retrain` lets the gate decide anew"
        )
    refuse_changed(client, version, hashes_of(client, version))


def _changes(client: MlflowClient, version: ModelVersion, noted: str, now: Hashes) -> str:
    """The files that differ, in words."""
    judged = _judged(client, version)
    if judged is None or digest_of(judged) != noted:
        return "which of them cannot be told, since their hashes in the run are gone or changed too"
    changed = [name for name, digest in now.items() if judged.get(name, digest) != digest]
    words = {
        "changed": changed,
        "added": sorted(now.keys() - judged.keys()),
        "gone": sorted(judged.keys() - now.keys()),
    }
    return "; ".join(f"{how}: {', '.join(files)}" for how, files in words.items() if files)


def _judged(client: MlflowClient, version: ModelVersion) -> Hashes | None:
    """The hashes in the run's decision; None if they are not there."""
    try:
        decision = client.download_artifacts(str(version.run_id), DECISION)
        found = json.loads(Path(decision).read_text(encoding="utf-8"))[FILES]
    except Exception:  # the run, or the artifact, was deleted; each store has errors of its own
        return None
    return found if isinstance(found, dict) else None
