"""`variants snapshot gc` removes what nobody needs, and nothing that anybody needs."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import yaml
from conftest import CANDIDATES, LONG_AGO, Clone, contents, edit_table, put

from flows import snapshot_gc
from flows.local import clones, snapshots
from flows.local.git import commit_files, git
from flows.local.needed_objects import note_needs
from flows.local.project import Project
from flows.local.snapshots import POINTER, import_here
from flows.local.stored_snapshot import open_stored
from flows.local.worktree import life
from flows.registry import lineage
from flows.snapshot_gc import collect_garbage
from ml.core.errors import UserError
from ml.core.files import read_json, write_json


@dataclass
class Clones:
    """Two clones of one project that share a cache and a remote, and a shop.

    Attributes:
        versions: what the registry of each clone holds, by the URI of its MLflow.
    """

    first: Project
    second: Project
    shop: Path
    cache: Path
    versions: dict[str, list[Any]]

    def take(self, clone: Project, note: str, commit: bool = True) -> str:
        """Imports the shop with a change that makes it another snapshot; returns its id."""
        edit_table(self.shop / "catalog.csv", lambda t: t.assign(note=note))
        put(self.shop / "images/0.jpg", note.encode(), LONG_AGO + len(note))
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(clone.root)
            return import_here(clone, str(self.shop), commit, print)

    def gc(self, clone: Project, *forget: Path | str, cloud: bool = False, delete: bool = True):  # type: ignore[no-untyped-def]
        """Runs the command; returns what it names as unneeded in the cache, or in the remote."""
        found = collect_garbage(clone, cloud, map(str, forget), delete, print)
        return found[-1]

    def whole(self, identity: str) -> bool:
        """Whether every file of a snapshot is in the cache."""
        try:
            md5s = open_stored(self.first.root, identity).md5s.values()
        except UserError:
            return False
        return all((self.cache / "files/md5" / one[:2] / one[2:]).is_file() for one in md5s)


@pytest.fixture
def both(
    growing: Path, tracked: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Clones:
    run = snapshots.run_module
    monkeypatch.setattr(
        snapshots, "run_module", lambda root, *rest: run(tracked.root, *rest)
    )  # the fixture's own stand-in works where it stands
    (tmp_path / "remote").mkdir()
    settings = f"[core]\nremote = shared\n['remote \"shared\"']\nurl = {tmp_path}/remote\n"
    (tracked.root / ".dvc/config").write_text(f"[cache]\ndir = {tmp_path}/cache\n{settings}")
    git(tracked.root, "add", "--all")
    commit_files(tracked.root, [".dvc/config", ".dvc/.gitignore", ".gitignore"], "a shared cache")
    git(tmp_path, "clone", "--quiet", str(tracked.root), str(tmp_path / "second"))
    second = Project(tmp_path / "second")
    git(second.root, "remote", "remove", "origin")
    found = Clones(tracked, second, growing, tmp_path / "cache", {})

    def registry(uri: str, *_: object) -> Any:
        def search(max_results: int, page_token: str | None) -> Any:
            return _Page(found.versions.get(uri, []))

        return SimpleNamespace(search_model_versions=search, download_artifacts=_no_artifact)

    monkeypatch.setattr(lineage, "lineage_file", lambda *_: None)
    monkeypatch.setattr(snapshot_gc, "connect", lambda project: registry(project.mlflow_uri))
    monkeypatch.setattr(snapshot_gc, "MlflowClient", registry)
    for one in (found.first, found.second):  # as if MLflow had made its store
        one.room.mkdir(exist_ok=True)
        (one.room / "mlflow.db").touch()
    return found


class _Page(list[Any]):
    token = None


def _no_artifact(*_: object) -> str:
    raise OSError("the run is gone")


def version(number: int, snapshot: str, lock: bytes, commit: str) -> Any:
    digest = hashlib.sha256(lock).hexdigest()
    tags = {"snapshot": snapshot, "dvc_lock_sha256": digest, "commit": commit}
    return SimpleNamespace(name="shoes", version=str(number), tags=tags, run_id="1")


def test_only_what_nobody_needs_goes_and_only_when_asked(both: Clones) -> None:
    kept = both.take(both.first, "one")
    lost = both.take(both.first, "not committed", commit=False)
    last = both.take(both.first, "three")
    before = contents(both.cache)
    shown = both.gc(both.first, delete=False)
    assert lost in shown.files
    assert len(shown.files) == 3  # the list of the folder, its catalogue and its one new picture
    assert contents(both.cache) == before
    both.gc(both.first)
    assert [both.whole(one) for one in (kept, lost, last)] == [True, False, True]
    assert both.gc(both.first).files == {}


@pytest.mark.full
def test_what_only_a_deleted_branch_a_tag_or_another_worktree_names_stays(
    both: Clones, tmp_path: Path
) -> None:
    root = both.first.root
    base = git(root, "rev-parse", "HEAD")
    ids = []
    for note, ref in (("branch", "refs/heads/b"), ("tag", "refs/tags/t"), ("log only", "")):
        ids.append(both.take(both.first, note))
        if ref:
            git(root, "update-ref", ref, "HEAD")
        git(root, "update-ref", "-m", "back", "HEAD", base)
    ids.append(both.take(both.first, "in a worktree"))
    pointer = (root / POINTER).read_text()
    git(root, "update-ref", "-m", "back", "HEAD", base)
    git(root, "worktree", "add", "--quiet", "--detach", str(tmp_path / "tree"), base)
    (tmp_path / "tree/data").mkdir(exist_ok=True)
    (tmp_path / "tree" / POINTER).write_text(pointer)
    ids.append(both.take(both.first, "staged", commit=False))
    git(root, "add", "--force", str(POINTER))
    ids.append(both.take(both.first, "in the checkout", commit=False))
    both.gc(both.first)
    assert all(map(both.whole, ids))


def test_neither_of_two_clones_takes_anything_from_the_other(both: Clones) -> None:
    """Each takes a snapshot and registers a version of an older one; each empties the cache."""
    ids = {}
    for clone, name in ((both.first, "first"), (both.second, "second")):
        made = both.take(clone, f"trained on by the {name}", commit=False)
        (clone.root / "model").write_text(name)
        out = hashlib.md5(name.encode()).hexdigest()
        put_object(both.cache, out, name.encode())
        lock = yaml.safe_dump({"stages": {"train": {"outs": [{"path": "model", "md5": out}]}}})
        (clone.root / "dvc.lock").write_text(lock)
        commit_files(clone.root, ["dvc.lock"], "a run")
        commit = git(clone.root, "rev-parse", "HEAD")
        both.versions[clone.mlflow_uri] = [version(1, made, lock.encode(), commit)]
        git(clone.root, "update-ref", "-m", "the branch is gone", "HEAD", "HEAD~1")
        (clone.root / "dvc.lock").unlink()
        ids[name] = [made, both.take(clone, f"taken by the {name}")]
    for clone in (both.first, both.second, both.first):
        both.gc(clone)
    assert all(both.whole(one) for name in ids for one in ids[name])
    for name in ids:
        assert object_of(both.cache, hashlib.md5(name.encode()).hexdigest()).is_file()
    both.versions.clear()  # nobody registered them: only the logs of git name the outputs now
    for clone in (both.first, both.second):
        git(clone.root, "reflog", "expire", "--expire=now", "--all")
        both.gc(clone)
    assert [both.whole(ids[name][0]) for name in ids] == [False, False]
    assert [both.whole(ids[name][1]) for name in ids] == [True, True]


def put_object(cache: Path, md5: str, content: bytes) -> None:
    object_of(cache, md5).parent.mkdir(parents=True, exist_ok=True)
    object_of(cache, md5).write_bytes(content)


def object_of(cache: Path, md5: str) -> Path:
    return cache / "files/md5" / md5[:2] / md5[2:]


def test_a_clone_that_is_gone_keeps_what_it_told_until_it_is_forgotten(both: Clones) -> None:
    own, theirs = both.take(both.first, "own"), both.take(both.second, "theirs")
    (both.second.root / "dvc.lock").write_text(f"md5: {hashlib.md5(b'model').hexdigest()}\n")
    put_object(both.cache, hashlib.md5(b"model").hexdigest(), b"model")
    note_needs(both.second, both.second.root, print)
    shutil.rmtree(both.second.root)
    assert both.gc(both.first).files == {}
    with pytest.raises(UserError, match="is no clone that is gone"):
        both.gc(both.first, both.first.root)
    assert len(both.gc(both.first, both.second.root).files) == 4
    assert [both.whole(own), both.whole(theirs)] == [True, False]
    assert [one.path for one in clones.cache_records(both.first.root)] == [str(both.first.root)]


@pytest.mark.full
def test_a_clone_on_another_machine_keeps_what_it_told(both: Clones) -> None:
    both.take(both.first, "own")
    theirs = both.take(both.second, "theirs")
    for file in (both.cache / clones.FOLDER).glob("*.json"):
        record = read_json(file)
        if record["path"] == str(both.second.root):
            file.unlink()
            write_json(file.with_name("other.json"), record | {"machine": "elsewhere"})
    (both.second.root / POINTER).unlink()
    both.gc(both.first)
    assert both.whole(theirs)


def test_nothing_is_removed_while_it_is_uncertain_what_is_needed(
    both: Clones, tmp_path: Path
) -> None:
    """A live run, an import under way, a lost dvc.lock, a record or a list that cannot be read."""
    made = both.take(both.first, "one")
    both.take(both.first, "unneeded", commit=False)
    both.take(both.first, "last")
    both.take(both.second, "two")
    before = contents(both.cache / "files")
    for clone in (both.first, both.second):
        (clone.room / "worktrees/run").mkdir(parents=True)
        with life(clone, "run"), pytest.raises(UserError, match="alive"):
            both.gc(both.first)
    with clones.using_cache(both.second.root), pytest.raises(UserError, match="being taken"):
        both.gc(both.first)
    both.versions[both.second.mlflow_uri] = [version(3, made, b"lost", "0" * 40)]
    with pytest.raises(UserError, match="--forget models:/shoes/3"):
        both.gc(both.first)
    both.versions.clear()
    record = both.cache / clones.FOLDER / "torn.json"
    for text in ("", "{}", "[]", '{"path": 1}'):
        record.write_text(text)
        with pytest.raises(UserError, match="cannot be read"):
            both.gc(both.first)
    record.unlink()
    listing = object_of(both.cache, made)
    listing.chmod(0o644)
    content = listing.read_bytes()
    listing.write_bytes(b"torn")
    with pytest.raises(UserError, match="damaged"):
        both.gc(both.first)
    listing.write_bytes(content)
    assert contents(both.cache / "files") == before
    assert len(both.gc(both.first, "models:/shoes/3").files) > 0


@pytest.mark.full
def test_the_remote_is_emptied_of_what_no_clone_needs_that_told_it(
    both: Clones, tmp_path: Path
) -> None:
    own = both.take(both.first, "own")
    lost = both.take(both.first, "unneeded", commit=False)
    theirs = both.take(both.second, "theirs")
    both.take(both.first, "last")
    shutil.copytree(both.cache / "files", tmp_path / "remote/files")  # as `dvc push` does
    both.gc(both.first)  # the cache alone
    there = contents(tmp_path / "remote/files")
    assert both.gc(both.first, cloud=True, delete=False).files.keys() >= {lost}
    assert contents(tmp_path / "remote/files") == there
    both.gc(both.first, cloud=True)
    shutil.rmtree(both.cache / "files")
    assert (tmp_path / "remote/files/md5" / own[:2] / own[2:]).is_file()
    assert not (tmp_path / "remote/files/md5" / lost[:2] / lost[2:]).exists()
    for one in (own, theirs):
        found = open_stored(both.first.root, one)
        assert isinstance(found.tables()["catalog"], pd.DataFrame)
        for md5 in found.md5s.values():
            assert (tmp_path / "remote/files/md5" / md5[:2] / md5[2:]).is_file()


@pytest.mark.full
def test_registered_versions_of_two_clones_are_made_again_after_gc_in_either(
    shop: Path, tmp_path: Path, make_clone: Callable[[], Clone]
) -> None:
    """Both share a cache; each retrains on its own shop, twice, and drops the earlier branch."""
    grown = tmp_path / "grown"
    shutil.copytree(shop, grown)
    edit_table(grown / "catalog.csv", lambda t: t[:-3])
    edit_table(grown / "pairs.csv", lambda t: t.iloc[0:0])
    pair = [make_clone(), make_clone()]
    for clone in pair:
        clone.python("-m", "dvc", "config", "cache.dir", str(tmp_path / "cache"))
        clone.git("commit", "--quiet", "--all", "-m", "a shared cache")
    for clone, source in zip(pair, (shop, grown), strict=True):
        clone.run("retrain", "--source", str(source))
        clone.run("snapshot", "--no-commit", str(shop if source == grown else grown))
        clone.git("checkout", "--quiet", "--", "data/previous.json")
        (clone.root / POINTER).unlink()
        for branch in clone.git("branch", "--list", "retrain/*", "--format=%(refname)").split():
            clone.git("update-ref", "-d", branch)
        clone.git("reflog", "expire", "--expire=now", "--all")
    for clone in (*pair, pair[0]):
        clone.run("snapshot", "gc", "--yes")
    for clone in pair:
        assert "equal bytes" in clone.run("reproduce", f"models:/{CANDIDATES}/1").stdout


@pytest.mark.full
def test_a_retraining_records_what_changed_since_the_snapshot_before(
    shop: Path, tmp_path: Path, make_clone: Callable[[], Clone]
) -> None:
    grown = tmp_path / "shop"
    shutil.copytree(shop, grown)
    clone = make_clone()
    clone.run("retrain", "--source", str(grown))
    edit_table(grown / "catalog.csv", lambda t: t.assign(title=["new", *t["title"][1:]]))
    clone.run("retrain", "--source", str(grown))
    second = clone.client.get_model_version(CANDIDATES, "2")
    file = clone.client.download_artifacts(second.run_id, "snapshot_diff/diff.json", str(tmp_path))
    assert read_json(Path(file))["products"]["counts"] == {"added": 0, "removed": 0, "changed": 1}
    clone.client.download_artifacts(second.run_id, "snapshot_diff/diff.html", str(tmp_path))
    names = [f"models:/{CANDIDATES}/{number}" for number in (1, 2)]
    shown = json.loads(clone.run("snapshot", "diff", "--json", *names).stdout)
    assert list(shown["products"]["changed"].values()) == [["title"]]
    assert "1" in clone.run("snapshot", "diff", *names).stdout
