"""Where a model comes out different, stages and files are named, and metrics are compared."""

import json
from pathlib import Path

import pytest

from flows.local.git import author, git
from flows.local.project import Project
from flows.reproduce import check_out, differing_outputs, largest_difference
from ml.core.errors import UserError


def lock(**hashes: str) -> dict[str, object]:
    return {
        stage: {"outs": [{"path": f"artifacts/{stage}/out", "md5": md5}]}
        for stage, md5 in ({"prepare": "aa1", "train": "bb1", "embed": "cc1"} | hashes).items()
    }


def test_outputs_that_differ_are_named_in_the_order_of_the_stages(tmp_path: Path) -> None:
    order = ["prepare", "train", "embed"]
    assert differing_outputs(lock(), lock(), order, tmp_path, tmp_path) == []
    assert differing_outputs(lock(), lock(embed="cc2", train="bb2"), order, tmp_path, tmp_path) == [
        "train: artifacts/train/out",
        "embed: artifacts/embed/out",
    ]


def test_the_files_of_a_folder_that_differ_are_named(tmp_path: Path) -> None:
    for name, md5, files in (
        ("old", "dd1.dir", {"a": "1", "b": "2"}),
        ("new", "dd2.dir", {"a": "1", "b": "3"}),
    ):
        file = tmp_path / name / "files/md5" / md5[:2] / md5[2:]
        file.parent.mkdir(parents=True)
        file.write_text(
            json.dumps([{"relpath": path, "md5": value} for path, value in files.items()])
        )
    found = differing_outputs(
        lock(prepare="dd1.dir"),
        lock(prepare="dd2.dir"),
        ["prepare"],
        tmp_path / "old",
        tmp_path / "new",
    )
    assert found == ["prepare: artifacts/prepare/out/b"]


def test_a_missing_output_differs(tmp_path: Path) -> None:
    fewer = lock()
    del fewer["embed"]
    assert differing_outputs(lock(), fewer, ["train", "embed"], tmp_path, tmp_path) == [
        "embed: artifacts/embed/out"
    ]


@pytest.mark.parametrize(
    ("made", "difference"),
    [
        ({"ap": [0.5, None], "name": "x"}, 0.0),
        ({"ap": [0.75, None], "name": "x"}, 0.25),
        ({"ap": [0.5, None], "name": "y"}, float("inf")),
        ({"ap": [0.5], "name": "x"}, float("inf")),
        ({"ap": [0.5, None]}, float("inf")),
    ],
)
def test_the_largest_difference_of_a_metric_is_found(made: object, difference: float) -> None:
    assert largest_difference({"ap": [0.5, None], "name": "x"}, made) == difference


def test_a_commit_that_no_branch_holds_is_checked_out_and_one_that_is_nowhere_is_named(
    tmp_path: Path,
) -> None:
    root = tmp_path / "project"
    git(tmp_path, "init", "--quiet", str(root))
    for words in ("first", "second"):
        (root / "file").write_text(words)
        git(root, "add", "file")
        git(root, "commit", "--quiet", "-m", words, variables=author(root))
    commit = git(root, "rev-parse", "HEAD")
    git(root, "reset", "--quiet", "--hard", "HEAD~1")
    check_out(Project(root), commit, tmp_path / "again")
    assert (tmp_path / "again/file").read_text() == "second"
    with pytest.raises(UserError, match="neither in this clone, nor in its origin, nor in"):
        check_out(Project(root), "0123456789" * 4, tmp_path / "nowhere")
