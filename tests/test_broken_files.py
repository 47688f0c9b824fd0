"""Files of the checkout that people have broken are refused in words, and history is survived."""

import json
from pathlib import Path

import pytest

from flows.local.git import author, git
from flows.local.overrides import apply_overrides
from flows.local.pipeline import used_params
from flows.local.pointer import POINTER
from flows.local.project import Project
from flows.local.snapshots import previous_snapshot, snapshot_id
from ml.core.errors import UserError
from ml.core.params import profile_params
from ml.core.paths import PREVIOUS

MERGE = "<<<<<<< HEAD\nouts:\n- md5: aa.dir\n=======\nouts:\n- md5: bb.dir\n>>>>>>> other\n"


@pytest.mark.parametrize("text", [MERGE, "", "outs: []", "outs: 3", "- md5", "outs:\n- path: x\n"])
def test_a_pointer_that_people_have_broken_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / POINTER).parent.mkdir()
    (tmp_path / POINTER).write_text(text)
    with pytest.raises(UserError, match="is no pointer to a snapshot: restore it"):
        snapshot_id(tmp_path)


def test_a_broken_pointer_in_history_breaks_no_later_import(empty_project: Project) -> None:
    good = "outs:\n- md5: aa.dir\nmeta:\n  source: shop\n  products: 7\n"
    for number, (pointer, noted) in enumerate(
        ((good, json.dumps({"split_by": "brand"})), (MERGE, "{nonsense"), ("outs: []\n", "[]"))
    ):
        for name, text in ((POINTER, pointer), (PREVIOUS, noted)):
            file = empty_project.root / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        git(empty_project.root, "add", "--all")
        words = ("commit", "--quiet", "-m", f"pointer {number}")
        git(empty_project.root, *words, variables=author(empty_project.root))
    found = previous_snapshot(empty_project, "shop", "bb.dir")
    assert found == {"source": "shop", "snapshot": "aa.dir", "products": 7, "split_by": "brand"}


@pytest.mark.parametrize("text", [MERGE, "", "train: [", "just words"])
def test_params_that_people_have_broken_are_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "params.yaml").write_text(text)
    for read in (
        lambda: apply_overrides(tmp_path, {"train.epochs": 3}),
        lambda: used_params(tmp_path, []),
        lambda: profile_params("gpu", tmp_path / "params.yaml"),
    ):
        with pytest.raises(UserError, match=r"params\.yaml (is not valid YAML|holds no sections)"):
            read()
