"""Git as people have it set up changes nothing of what flows commit and read."""

import os
import shutil
from pathlib import Path

import pytest
import yaml
from faults import PLACE
from hostile import make_hostile
from mlflow.entities.model_registry import ModelVersion, ModelVersionTag

from flows.local.dvc_config import add_remote, cache_of, default_remote
from flows.local.git import UNSET, author_of, clean_environment, commit_files, git, top_folder
from flows.local.pipeline import dvc
from flows.local.project import Project, find_project
from flows.local.snapshots import POINTER, previous_snapshot
from flows.local.worktree import open_worktree, worktrees
from flows.promote import tag_commit
from ml.core.errors import UserError
from ml.core.files import write_json
from ml.core.paths import PREVIOUS


@pytest.fixture
def hostile(empty_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hostile configuration is in force, inside a hook of another repository; its folder."""
    folder = tmp_path / "hostile"
    folder.mkdir()
    for name, value in make_hostile(folder).items():
        monkeypatch.setenv(name, value)
    return folder


def refs(folder: Path) -> str:
    return git(folder, "for-each-ref")


def test_git_names_no_variable_that_is_kept(empty_project: Project) -> None:
    listed = git(empty_project.root, "rev-parse", "--local-env-vars").split()
    assert set(listed) <= UNSET
    kept = {"PATH": "/bin", "GIT_SSH_COMMAND": "ssh -i key", "GIT_AUTHOR_NAME": "Ada"}
    assert clean_environment(kept | dict.fromkeys(listed, "x")) == kept


def test_a_retraining_commits_on_its_own_branch_whatever_git_is_told(
    empty_project: Project, hostile: Path
) -> None:
    root = empty_project.root
    before = git(root, "rev-parse", "HEAD")
    worktree = open_worktree(empty_project, allow_dirty=False)
    assert (worktree.root / "params.yaml").read_bytes() == (root / "params.yaml").read_bytes()
    write_json(worktree.root / "data/previous.json", {"a": "ä\n"})
    (worktree.root / "dvc.lock").write_text("schema: '2.0'\n")
    commit = worktree.commit("data: a snapshot")
    assert git(root, "rev-parse", worktree.branch) == commit
    assert git(root, "rev-parse", f"{commit}^") == before == git(root, "rev-parse", "HEAD")
    listed = git(root, "ls-tree", "-r", "--name-only", commit).split()
    assert {"data/previous.json", "dvc.lock"} <= set(listed)
    assert author_of(worktree.root) == "Ada Hostile"
    assert worktree.commit("nothing more") == commit
    worktree.close(keep_branch=False)
    assert worktrees(empty_project) == []
    assert "retrain/" not in refs(root)
    assert refs(hostile / "other") == ""
    assert not (hostile / "a-hook-ran").exists()
    assert not (hostile / "trace").exists()


def test_untracked_files_are_noticed_though_git_is_told_to_hide_them(
    empty_project: Project, hostile: Path
) -> None:
    (empty_project.root / "fresh.py").touch()
    with pytest.raises(UserError, match=r"fresh\.py"):
        open_worktree(empty_project, allow_dirty=False)
    worktree = open_worktree(empty_project, allow_dirty=True)
    assert (worktree.root / "fresh.py").is_file()
    worktree.close(keep_branch=False)


def test_committing_two_files_leaves_what_else_is_staged(
    empty_project: Project, hostile: Path
) -> None:
    root = empty_project.root
    (root / "mine.txt").write_text("half done\n")
    git(root, "add", "mine.txt")
    write_json(root / "data.json", {})
    commit_files(root, ["data.json"], "data: snapshot")
    assert git(root, "diff-tree", "-r", "--name-only", "HEAD^", "HEAD") == "data.json"
    assert git(root, "diff-index", "--cached", "--name-only", "HEAD") == "mine.txt"
    head = git(root, "rev-parse", "HEAD")
    commit_files(root, ["data.json"], "data: snapshot")
    assert git(root, "rev-parse", "HEAD") == head  # there was nothing to commit


def test_a_production_version_gets_its_tag_without_signature_or_editor(
    empty_project: Project, hostile: Path
) -> None:
    root, said = empty_project.root, list[str]()
    head = git(root, "rev-parse", "HEAD")

    def version(number: str, commit: str) -> ModelVersion:
        tags = [ModelVersionTag("commit", commit), ModelVersionTag("branch", "retrain/x")]
        return ModelVersion("color-variants", number, 0, tags=tags)

    tag_commit(empty_project, version("1", head), said.append)
    assert git(root, "rev-parse", "refs/tags/model-v1") == head
    assert said == []
    tag_commit(empty_project, version("2", "1" * 40), said.append)
    assert len(said) == 1
    assert "model-v2" in said[0]
    assert "retrain/x" in said[0]


def test_a_pointer_that_was_once_deleted_breaks_no_later_snapshot(
    empty_project: Project, hostile: Path
) -> None:
    root = empty_project.root

    def snapshot(identity: str) -> None:
        (root / "data").mkdir(exist_ok=True)
        pointer = {"outs": [{"md5": identity}], "meta": {"source": "shop", "products": 7}}
        (root / POINTER).write_text(yaml.safe_dump(pointer))
        write_json(root / PREVIOUS, {"snapshot": None, "split_by": "design_family"})
        commit_files(root, [POINTER.as_posix(), PREVIOUS.as_posix()], f"data: {identity}")

    snapshot("a.dir")
    git(root, "rm", "--quiet", POINTER.as_posix(), PREVIOUS.as_posix())
    commit_files(root, ["params.yaml"], "nothing")
    git(root, "commit", "--quiet", "-m", "the pointer goes")
    found = previous_snapshot(empty_project, "shop", "b.dir")
    wanted = {"source": "shop", "snapshot": "a.dir", "products": 7}
    assert found == wanted | {"split_by": "design_family"}
    snapshot("b.dir")
    assert previous_snapshot(empty_project, "shop", "c.dir") == found | {"snapshot": "b.dir"}


def test_a_clone_of_another_user_is_explained(empty_project: Project) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder to another user")
    for path in [empty_project.root, *empty_project.root.rglob("*")]:
        os.chown(path, 12345, 12345, follow_symlinks=False)
    with pytest.raises(UserError, match=r"safe\.directory '.*project'"):
        find_project(empty_project.root)


def test_a_machine_without_git_is_told_so(
    empty_project: Project, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no git on PATH"):
        top_folder(empty_project.root)


@pytest.mark.parametrize("name", ["a#b", "a,b", "a b", "ä=b", "[a]", "%(x)s"])
def test_a_cache_lies_where_dvc_says_whatever_its_path(
    empty_project: Project, tmp_path: Path, name: str
) -> None:
    moved = tmp_path / name / "project"
    moved.parent.mkdir()
    shutil.move(empty_project.root, moved)
    project = Project(moved)
    assert cache_of(moved) == moved / ".dvc/cache"
    worktree = open_worktree(project, allow_dirty=False)
    assert cache_of(worktree.root) == moved / ".dvc/cache"
    worktree.close(keep_branch=False)


def test_a_cache_is_a_remote_of_another_clone_whatever_its_path(
    empty_project: Project, tmp_path: Path
) -> None:
    """So a reproduction fetches the snapshot."""
    moved = tmp_path / PLACE
    moved.parent.mkdir(parents=True)
    shutil.move(empty_project.root, moved)
    (moved / "data").mkdir()
    (moved / "data/a.txt").write_text("a product")
    dvc(moved, ["add", "--quiet", "data/a.txt"], print)
    again = moved / ".variants/reproduce/clone"
    shutil.copytree(moved, again, ignore=shutil.ignore_patterns(".variants", "cache", "a.txt"))
    add_remote(again, "clone", cache_of(moved))
    dvc(again, ["pull", "--quiet", "--remote", "clone", "data/a.txt.dvc"], print)
    assert (again / "data/a.txt").read_text() == "a product"


def test_every_level_of_dvcs_configuration_counts(
    empty_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "global"))
    (tmp_path / "global").mkdir()
    (tmp_path / "global/config").write_text(f"[cache]\n    dir = {tmp_path}/global-cache\n")
    root = empty_project.root
    assert cache_of(root) == tmp_path / "global-cache"
    (root / ".dvc/config.local").write_text(
        "[cache]\n    dir = ../nearby\n[core]\n    remote = kept\n['remote \"kept\"']\n    url = s3://b\n"
    )
    assert cache_of(root) == root / "nearby"
    worktree = open_worktree(empty_project, allow_dirty=False)
    assert cache_of(worktree.root) == root / "nearby"
    assert default_remote(worktree.root) == "kept"
    worktree.close(keep_branch=False)
