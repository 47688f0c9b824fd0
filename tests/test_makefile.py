"""`make uninstall` removes what runs have left in git too, after asking."""

import subprocess
from pathlib import Path

import pytest
from conftest import project_of

from flows.local.git import git


@pytest.mark.parametrize("answer", ["y", "n", "YES=1"])
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
    done = subprocess.run(
        ["make", "uninstall", *([answer] if "=" in answer else [])],
        cwd=project.root,
        input=f"{answer}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert ("Remove" in done.stdout) == (answer != "YES=1"), done.stdout + done.stderr
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
