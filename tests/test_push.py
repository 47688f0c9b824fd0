"""What a DVC remote keeps: what is pushed to it, what it lacks, and what it makes possible."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import CANDIDATES, contents, edit_table
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from mlflow.tracking import MlflowClient
from registry import add_candidate, hollow_model

from flows import push as push_command
from flows.local import remote_files
from flows.local.clones import cache_records, record_of, remote_records
from flows.local.commit_pack import pack_commit, unpacked
from flows.local.dvc_config import add_remote, share_remotes
from flows.local.git import commit_files, git
from flows.local.project import Project
from flows.local.remote_files import lacking, push
from flows.local.snapshots import import_here
from flows.push import COMMITS, OnlyHere, only_here, push_all
from flows.registry.lineage import FOLDER, LOCK
from flows.registry.version_needs import needs_of_version
from flows.reproduce import check_out
from ml.core.errors import UserError


@dataclass
class Made:
    """A project with a remote, in which a version was made of a snapshot.

    Attributes:
        remote: folder of the remote.
        model: folder of the version's model.
        snapshot: the snapshot's id.
        output: hash of the one output.
    """

    project: Project
    client: MlflowClient
    remote: Path
    model: Path
    snapshot: str
    output: str


def client_of(file: Path) -> MlflowClient:
    """A client of a registry; without a second address MLflow takes its global setting for it."""
    return MlflowClient(f"sqlite:///{file}", f"sqlite:///{file}")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty registry, which takes seconds to make; read only."""
    file = tmp_path_factory.mktemp("registry") / "mlflow.db"
    client_of(file).create_registered_model(CANDIDATES)
    return file


@pytest.fixture
def made(
    tracked: Project, growing: Path, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Made:
    """One candidate whose dvc.lock names a snapshot of six pictures, code, and one output."""
    root = tracked.root
    add_remote(root, "shared", tmp_path / "remote")
    with (root / ".dvc/config.local").open("a") as settings:
        settings.write("[core]\n    remote = shared\n")
    snapshot = import_here(tracked, str(growing), True, print)
    output = hashlib.md5(b"weights").hexdigest()
    place = root / ".dvc/cache/files/md5" / output[:2] / output[2:]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(b"weights")
    outs = [{"path": "artifacts/train", "md5": output}]
    deps = [{"path": "data/snapshot", "md5": snapshot}, {"path": "ml/core", "md5": "c0de" * 8}]
    lock = yaml.safe_dump({"stages": {"train": {"deps": deps, "outs": outs}}})
    (root / LOCK).write_text(lock)
    commit_files(root, [LOCK], "a run")
    shutil.copy(store, tmp_path / "mlflow.db")
    client = client_of(tmp_path / "mlflow.db")
    model = hollow_model(tmp_path / "model")
    facts = {"snapshot": snapshot, "commit": git(root, "rev-parse", "HEAD")}
    facts["dvc_lock_sha256"] = hashlib.sha256(lock.encode()).hexdigest()
    add_candidate(client, model, **facts)
    monkeypatch.setattr(push_command, "connect", lambda project: client)
    return Made(tracked, client, tmp_path / "remote", model, snapshot, output)


def test_a_push_copies_what_the_remote_lacks_and_names_what_is_nowhere(made: Made) -> None:
    root, lost = made.project.root, "0" * 32
    assert lacking(root, [made.snapshot, made.output]) == {made.snapshot, made.output}
    first = push(root, [made.snapshot, made.output, lost])
    assert (first.files, set(first.missing)) == (9, {lost})  # list, table, six pictures, one output
    files = contents(root / ".dvc/cache/files")
    assert contents(made.remote / "files") == files
    assert first.bytes == sum(map(len, files.values()))
    shutil.rmtree(root / ".dvc/cache/files")  # the remote alone has it now
    again = push(root, [made.snapshot, made.output])
    assert (again.files, again.bytes, again.missing) == (0, 0, frozenset())


def test_pushing_everything_makes_a_version_safe_and_says_what_is_lost(
    made: Made, growing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit_table(growing / "catalog.csv", lambda t: t[:3])
    import_here(made.project, str(growing), True, print)  # no version was made of it
    monkeypatch.setattr(remote_files, "PATIENCE", 60.0)  # whatever else this machine does
    assert only_here(made.project, made.client) == OnlyHere(2, 1)
    monkeypatch.setattr(push_command, "lacking_soon", lacking)  # without a process for each answer
    said: list[str] = []
    report = push_all(made.project, said.append)
    assert (report.files, report.missing) == (11, [])
    assert [line.split(": ", 1)[1].rpartition(": ")[0] for line in said] == [
        f"models:/{CANDIDATES}/1",
        COMMITS,
    ]
    assert only_here(made.project, made.client) == OnlyHere(0, 0)
    (told,) = remote_records(made.project.root)  # so that no other clone removes it
    assert {made.snapshot, made.output} <= set(told.needs)
    assert push_all(made.project, said.append).files == 0
    for folder in (made.remote / "files", made.project.root / ".dvc/cache/files"):
        (folder / "md5" / made.output[:2] / made.output[2:]).unlink()
    (line,) = push_all(made.project, said.append).missing
    assert f"models:/{CANDIDATES}/1" in line
    assert made.output in line
    assert only_here(made.project, made.client) == OnlyHere(0, 1)


def test_a_remote_that_is_away_costs_seconds_and_is_told_in_words(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_files, "PATIENCE", 0.01)
    late = only_here(made.project, made.client)
    assert late is not None
    assert late == OnlyHere(None, None, late.problem)
    assert "does not answer within" in late.problem
    (made.project.root / ".dvc/config.local").unlink()
    monkeypatch.setattr(push_command, "lacking_soon", None)  # no remote: nobody is asked
    assert only_here(made.project, made.client) is None
    with pytest.raises(UserError, match="dvc remote add --default"):
        push_all(made.project, print)


def test_a_file_that_the_remote_refuses_is_told_and_the_list_of_its_folder_is_not_there(
    made: Made,
) -> None:
    (made.remote / "files/md5").mkdir(parents=True)
    listing = made.project.root / ".dvc/cache/files/md5" / made.snapshot[:2] / made.snapshot[2:]
    picture = yaml.safe_load(listing.read_text())[0]["md5"]
    (made.remote / "files/md5" / picture[:2]).write_text("a file where a folder must be")
    with pytest.raises(UserError, match="remote 'shared' cannot be used"):
        push(made.project.root, [made.snapshot])
    assert made.snapshot in lacking(made.project.root, [made.snapshot])


def test_a_version_says_what_it_needs_when_its_commit_and_its_run_are_gone(
    made: Made, tmp_path: Path
) -> None:
    """Its model holds the dvc.lock; one that somebody has changed counts for nothing."""
    version = made.client.get_model_version(CANDIDATES, "1")
    needs = needs_of_version(made.project.root, made.client, version)
    assert needs == {made.snapshot, made.output}
    git(tmp_path, "init", "--quiet", str(tmp_path / "elsewhere"))
    with pytest.raises(UserError, match="fetch its commit"):
        needs_of_version(tmp_path / "elsewhere", made.client, version)
    (made.model / FOLDER).mkdir()
    shutil.copy(made.project.root / LOCK, made.model / FOLDER)
    assert needs_of_version(tmp_path / "elsewhere", made.client, version) == needs
    (made.model / FOLDER / LOCK).write_text("stages: {}")
    with pytest.raises(UserError, match="fetch its commit"):
        needs_of_version(tmp_path / "elsewhere", made.client, version)


def test_a_packed_commit_is_checked_out_where_nobody_has_it_and_a_changed_one_is_not(
    made: Made, tmp_path: Path
) -> None:
    root, commit = made.project.root, git(made.project.root, "rev-parse", "HEAD")
    pack_commit(root, tmp_path / "pack")
    git(tmp_path, "init", "--quiet", str(tmp_path / "empty"))
    empty = Project(tmp_path / "empty")
    with unpacked((tmp_path / "pack").read_bytes(), commit) as kept:
        check_out(empty, commit, tmp_path / "again", kept)
    assert git(tmp_path / "again", "rev-parse", "HEAD") == commit
    assert git(tmp_path / "again", "status", "--porcelain") == ""
    assert (tmp_path / "again" / LOCK).read_bytes() == (root / LOCK).read_bytes()
    (root / LOCK).write_text("stages: {}")
    commit_files(root, [LOCK], "another")
    pack_commit(root, tmp_path / "pack")
    with (
        pytest.raises(UserError, match="neither in this clone"),
        unpacked((tmp_path / "pack").read_bytes(), commit) as kept,
    ):
        check_out(empty, commit, tmp_path / "wrong", kept)


def test_a_remote_of_the_clones_own_settings_is_there_in_another_checkout_which_trusts_no_file(
    made: Made, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "--quiet", str(made.project.root), str(tmp_path / "again"))
    push(made.project.root, [made.output])
    with pytest.raises(UserError):
        lacking(tmp_path / "again", [made.output])
    share_remotes(made.project.root, tmp_path / "again")
    assert lacking(tmp_path / "again", [made.output, made.snapshot]) == {made.snapshot}
    there = made.remote / "files/md5" / made.output[:2] / made.output[2:]
    there.chmod(0o644)
    there.write_bytes(b"other weights")  # which nobody fetches unseen
    with Repo(str(tmp_path / "again")) as repo:
        assert not repo.cloud.pull([HashInfo("md5", made.output)]).transferred


def test_what_a_clone_tells_others_holds_no_password_of_its_registry(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ada:hunter2-hunter2@host:5000")
    assert record_of(Project(made.project.root), ()).mlflow == "http://host:5000"
    assert cache_records(made.project.root)
