"""`variants reproduce`: makes a registered model again and compares it byte for byte."""

import json
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient

from flows.local.commit_pack import unpacked
from flows.local.dvc_config import add_remote, cache_of, place_in_cache, share_remotes
from flows.local.git import git
from flows.local.pipeline import dvc, load_stages
from flows.local.pointer import POINTER
from flows.local.process import CommandError
from flows.local.project import Project
from flows.local.recipe import digest
from flows.local.requirements import differing_versions
from flows.local.scratch import scratch
from flows.local.snapshots import snapshot_id
from flows.local.stored_snapshot import stored
from flows.registry.audit_trail import note_event
from flows.registry.lineage import PACK, lineage_file
from flows.registry.model_files import refuse_unusable
from flows.registry.people import account, person
from flows.registry.tracking import connect
from flows.registry.versions import find_version, run_of, uri_of
from ml.core.device import pick_device
from ml.core.errors import UserError
from ml.core.files import read_json
from ml.core.paths import EVALUATED, TRAINED

NEEDED = ("commit", "snapshot", "dvc_lock_sha256")  # tags that a reproduction needs
WEIGHTS = TRAINED / "encoder.safetensors"
GPU_TOLERANCE = 0.02  # largest accepted difference of a metric after a training on a GPU


@dataclass
class Reproduction:
    """The result of making a version again.

    Attributes:
        model: URI of the version.
        commit, snapshot: ids from its tags.
        verdict: "equal bytes", "equal metrics" (each metric within the tolerance for GPUs),
            "different", or "not reproducible".
        reason: why the version is not reproducible, or which output differs first; empty if the
            bytes are equal.
        differing: outputs that differ, such as "train: artifacts/train/encoder.safetensors", in the
            order of the stages.
        figures: largest difference of a metric in metrics.json; None if the version was not made,
            or if its run and its metrics are gone.
        environment: pinned packages that are installed in another version, one text each.
        machine: processor architecture and Python version here.
    """

    model: str
    commit: str = ""
    snapshot: str = ""
    verdict: str = "not reproducible"
    reason: str = ""
    differing: list[str] = field(default_factory=list)
    figures: float | None = None
    environment: list[str] = field(default_factory=list)
    machine: str = field(
        default_factory=lambda: f"{platform.machine()}, Python {platform.python_version()}"
    )


def reproduce(project: Project, model: str, by: str, log: Callable[[str], None]) -> Reproduction:
    """Makes a version again in an empty folder from its registry entry alone.

    Its commit is cloned, its snapshot fetched, and every stage runs without a cache. The result is
    stored as the tag `reproduced` of the version, as an event in the audit trail, and as
    reproduction.json and reproduction.md in its run, unless somebody has deleted the run.

    Args:
        model: models:/NAME/VERSION or models:/NAME@ALIAS.
        by: who signs off the result. Empty: git's user name in this clone.
        log: called with each line that the work prints.

    Returns:
        The result. A version that cannot be made again is a result too, not an error.

    Raises:
        UserError: there is no such version.
    """
    client, signer = connect(project), person(project, by)
    version = find_version(client, model)
    found = Reproduction(
        uri_of(version), version.tags.get("commit", ""), version.tags.get("snapshot", "")
    )
    with scratch(project, "reproduce") as folder:
        try:
            make_again(project, client, version, folder / "clone", found, log)
        except (UserError, CommandError) as error:
            tail = "\n".join(error.tail[-5:]) if isinstance(error, CommandError) else ""
            found.verdict, found.reason = "not reproducible", f"{error}\n{tail}".strip()
    keep_report(client, version, found, signer, account(project))
    return found


def make_again(
    project: Project,
    client: MlflowClient,
    version: ModelVersion,
    folder: Path,
    found: Reproduction,
    log: Callable[[str], None],
) -> None:
    """Clones the commit, fetches the snapshot, runs the stages and compares their outputs.

    Args:
        folder: where the clone goes; its parent gets the registered model.
        found: the result, whose attributes are filled in.

    Raises:
        UserError: the tags, the commit, the snapshot or the model is missing.
        CommandError: a stage crashed.
    """
    if version.tags.get("dirty") != "false":
        raise UserError("it was made from uncommitted changes, which no commit holds")
    missing = [name for name in NEEDED if not version.tags.get(name)]
    if missing:
        raise UserError(f"its registry entry lacks {', '.join(missing)}")
    refuse_unusable(client, version)
    log(f"clone {found.commit[:10]}")
    with lineage_repository(client, version, found.commit) as kept:
        check_out(project, found.commit, folder, kept)
    found.environment = differing_versions(
        (folder / "constraints.txt").read_text(encoding="utf-8"), needed=False
    )
    log(f"fetch snapshot {found.snapshot[:12]}")
    fetch_snapshot(project, folder, found.snapshot, log)
    locked = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    dvc(folder, ["repro", "--force"], log)
    made = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    order = [stage.name for stage in load_stages(folder)]
    found.differing = differing_outputs(
        locked, made, order, cache_of(project.root), folder / ".dvc/cache"
    )
    registered = Path(
        mlflow.artifacts.download_artifacts(found.model, dst_path=str(folder.parent / "registered"))
    )
    if digest(next(registered.rglob(WEIGHTS.name))) != digest(folder / WEIGHTS):
        found.differing.append(f"registry: {WEIGHTS.name} of {found.model}")
    recorded = recorded_metrics(client, version, locked, project.root, folder.parent)
    if recorded is None:
        log("its run and its metrics.json are gone, so that only the bytes are compared")
    else:
        again = read_json(folder / EVALUATED / "metrics.json")
        found.figures = largest_difference(recorded, again)
    if not found.differing:
        found.verdict = "equal bytes"
    elif on_gpu(folder) and found.figures is not None and found.figures <= GPU_TOLERANCE:
        found.verdict = "equal metrics"
        found.reason = (
            f"made on a GPU: bytes differ from {found.differing[0]} on, metrics by at most "
            f"{found.figures:.3g}"
        )
    else:
        found.verdict, found.reason = (
            "different",
            f"the first output that differs is {found.differing[0]}",
        )


def recorded_metrics(
    client: MlflowClient, version: ModelVersion, locked: dict[str, Any], root: Path, folder: Path
) -> Any:
    """Returns the content of the version's metrics.json: of its run, otherwise of DVC.

    Args:
        locked: the `stages` of the version's dvc.lock.
        root: top folder of the clone, whose DVC cache and remote are asked.
        folder: where the download goes.

    Returns:
        The content, or None if somebody has deleted the run and DVC does not hold the file.
    """
    run, metrics = run_of(client, version), EVALUATED / "metrics.json"
    if run:
        return read_json(Path(client.download_artifacts(run, metrics.name, str(folder))))
    outs = locked.get("evaluate", {}).get("outs", [])
    hashes = {out["path"]: out["md5"] for out in outs}
    try:
        return json.loads(stored(root, hashes[metrics.as_posix()]))
    except (KeyError, UserError):
        return None


@contextmanager
def lineage_repository(
    client: MlflowClient, version: ModelVersion, commit: str
) -> Iterator[Path | None]:
    """Makes a repository of the commit that a model holds; None if the model holds none."""
    pack = lineage_file(client, version, PACK)
    with unpacked(pack, commit) if pack else nullcontext() as place:
        yield place


def check_out(project: Project, commit: str, folder: Path, kept: Path | None = None) -> None:
    """Checks out a commit, which need not be on a branch, in a repository of its own.

    Args:
        folder: where the repository goes.
        kept: a repository that may hold the commit too; None: there is none.

    Raises:
        UserError: neither this clone, nor its origin, nor `kept` has the commit.
    """
    origin = project.git("config", "--default", "", "--get", "remote.origin.url")
    git(project.root, "init", "--quiet", str(folder))
    for source in filter(None, (str(project.root), str(kept or ""), origin)):
        try:
            git(folder, "fetch", "--quiet", "--depth", "1", source, commit)
        except UserError as error:
            problem = error
        else:
            git(folder, "checkout", "--quiet", "--detach", "FETCH_HEAD", as_committed=True)
            return
    raise UserError(
        f"its commit {commit} is neither in this clone, nor in its origin, nor in the model's own "
        "files: push the branch that has it from the clone that trained the model"
    ) from problem


def fetch_snapshot(
    project: Project, folder: Path, snapshot: str, log: Callable[[str], None]
) -> None:
    """Fetches the commit's snapshot from this clone's cache, otherwise from its DVC remote.

    Args:
        folder: the new clone, whose own cache is empty.
        snapshot: id of the snapshot by the registry entry.

    Raises:
        UserError: neither has the snapshot, or the commit points to another snapshot than the
            registry entry.
    """
    if snapshot_id(folder) != snapshot:
        raise UserError(
            f"its commit points to the snapshot {snapshot_id(folder)}, its registry entry to "
            f"{snapshot}: one of the two has been changed"
        )
    share_remotes(project.root, folder)
    add_remote(folder, "clone", cache_of(project.root))
    for remote in (["--remote", "clone"], []):
        try:
            dvc(folder, ["pull", "--quiet", *remote, str(POINTER)], log)
            return
        except (CommandError, UserError) as error:
            problem = error
    raise UserError(
        f"its snapshot {snapshot} is neither in this clone's cache nor in its DVC remote: "
        "`variants push` in the clone that trained the model"
    ) from problem


def differing_outputs(
    locked: dict[str, Any], made: dict[str, Any], order: list[str], old: Path, new: Path
) -> list[str]:
    """Compares the outputs of two dvc.lock files; a folder is compared file by file.

    Args:
        locked, made: the `stages` of the files.
        order: names of the stages, in the order of the result.
        old, new: the DVC caches that list the files of the folders.

    Returns:
        A line for each output that differs, such as "train: artifacts/train/encoder.safetensors".
    """
    found = []
    for stage in order:
        hashes = {one["path"]: one["md5"] for one in locked.get(stage, {}).get("outs", [])}
        again = {one["path"]: one["md5"] for one in made.get(stage, {}).get("outs", [])}
        for path in sorted(hashes | again):
            first, second = hashes.get(path, ""), again.get(path, "")
            if first != second:
                files = [
                    name
                    for name, md5 in listed(old, first).items()
                    if listed(new, second).get(name) != md5
                ]
                found += [f"{stage}: {path}/{name}" for name in sorted(files)] or [
                    f"{stage}: {path}"
                ]
    return found


def listed(cache: Path, md5: str) -> dict[str, str]:
    """Returns the MD5 of each file of a folder in a DVC cache; empty if it has no such folder."""
    file = place_in_cache(cache, md5)
    return (
        {one["relpath"]: one["md5"] for one in read_json(file)}
        if md5.endswith(".dir") and file.is_file()
        else {}
    )


def largest_difference(recorded: Any, made: Any) -> float:
    """Returns the largest difference of a number in two JSON documents.

    It is infinite if the documents differ in their shape, or in a value that is not a number.
    """
    if isinstance(recorded, dict) and isinstance(made, dict) and recorded.keys() == made.keys():
        return max(
            (largest_difference(recorded[name], made[name]) for name in recorded), default=0.0
        )
    if isinstance(recorded, list) and isinstance(made, list) and len(recorded) == len(made):
        return max(
            (largest_difference(*both) for both in zip(recorded, made, strict=True)), default=0.0
        )
    numbers = (int, float)
    if isinstance(recorded, numbers) and isinstance(made, numbers):
        return abs(float(recorded) - float(made))
    return 0.0 if recorded == made else float("inf")


def on_gpu(folder: Path) -> bool:
    """Returns whether the params of a checkout train on a GPU on this machine."""
    asked = yaml.safe_load((folder / "params.yaml").read_text(encoding="utf-8"))["train"]["device"]
    return pick_device(asked) != "cpu"


def keep_report(
    client: MlflowClient,
    version: ModelVersion,
    found: Reproduction,
    by: str,
    known_as: dict[str, str],
) -> None:
    """Stores the report on the version, in its run and in the audit trail, signed off by `by`.

    If somebody has deleted the run, the tag and the audit trail alone keep the result.

    Args:
        known_as: see `flows.registry.people.account`.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    client.set_model_version_tag(
        version.name, version.version, "reproduced", f"{found.verdict} ({now}, {by})"
    )
    run = run_of(client, version)
    if run:
        client.log_dict(run, asdict(found) | {"at": now, "by": by}, "reproduction.json")
        client.log_text(run, page_of(found, now, by), "reproduction.md")
    facts = {"verdict": found.verdict, "comment": found.reason} | known_as
    note_event(client, version, "reproduction", by, **facts)


def page_of(found: Reproduction, now: str, by: str) -> str:
    """Returns the report for people, in Markdown."""
    lines = [
        f"# Reproduced: {found.verdict}",
        "",
        f"`{found.model}`, made again on {found.machine}. Signed off by {by}, {now}.",
        "",
    ]
    lines += [f"- commit `{found.commit}`, snapshot `{found.snapshot}`"]
    lines += [f"- {found.reason}"] if found.reason else []
    if found.figures is not None:
        lines.append(f"- largest difference of a metric: {found.figures:.3g}")
    lines += [f"- not as pinned: {words}" for words in found.environment]
    lines += (
        ["", "Outputs that differ:", "", *(f"- {one}" for one in found.differing)]
        if found.differing
        else []
    )
    return "\n".join(lines) + "\n"
