"""`make clean` and `make uninstall` remove what runs and people have left, after asking."""

import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, project_of

from flows.local.git import git

ANSWERS = ["y", "n", "YES=1"]


def make(target: str, folder: Path, answer: str) -> subprocess.CompletedProcess[str]:
    """Runs a target and answers its question; an answer YES=1 is given beforehand."""
    return subprocess.run(
        ["make", target, *([answer] if "=" in answer else [])],
        cwd=folder,
        input=f"{answer}\n",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_cleaning_asks_before_what_people_said_is_removed(tmp_path: Path, answer: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    said = tmp_path / ".variants/annotations.db"
    said.parent.mkdir()
    said.touch()
    done = make("clean", tmp_path, answer)
    assert ("corrections and answers of annotators from" in done.stdout) == (answer != "YES=1")
    assert said.exists() == (answer == "n")
    assert (done.returncode, "nothing was removed" in done.stdout) == (
        (2, True) if answer == "n" else (0, False)
    )


@pytest.mark.parametrize("answer", ANSWERS)
def test_uninstalling_asks_and_leaves_no_branch_or_tag_of_a_run(
    tmp_path: Path, answer: str
) -> None:
    project = project_of(tmp_path / "project", "Makefile")
    for folder in (".variants", "artifacts"):
        (project.root / folder).mkdir()
    ours = ["refs/heads/retrain/1", "refs/tags/model-v1", "refs/tags/model-v12"]
    theirs = ["refs/heads/retrained", "refs/tags/model-vision", "refs/tags/v1"]
    for name in (*ours, *theirs):
        git(project.root, "update-ref", name, "HEAD")
    worktree = project.root / ".variants/worktrees/1"
    git(project.root, "worktree", "add", "--quiet", str(worktree), "retrain/1")
    before = git(project.root, "for-each-ref", "--format", "%(refname)").splitlines()
    done = make("uninstall", project.root, answer)
    assert done.stdout.count("[y/N]") == (answer != "YES=1"), done.stdout + done.stderr
    left = git(project.root, "for-each-ref", "--format", "%(refname)").splitlines()
    if answer == "n":
        assert done.returncode == 2
        assert "nothing was removed" in done.stdout
        assert left == before
        assert (project.root / ".variants").is_dir()
    else:
        assert done.returncode == 0, done.stderr
        assert set(before) - set(left) == set(ours)
        assert not (project.root / ".variants").exists()
    assert set(theirs) <= set(left)
