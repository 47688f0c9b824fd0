"""The user's checkout: committed snapshots, uncommitted changes, retrainings side by side."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from conftest import CANDIDATES, Clone, set_params

from ml.synthetic import generate_shop


@dataclass
class Checkout:
    """A clone whose user has committed a snapshot and retrained on it.

    Attributes:
        clone: the clone.
        snapshot: the snapshot's id, as `variants snapshot` prints it.
    """

    clone: Clone
    snapshot: str


@pytest.fixture(scope="module")
def checkout(make_clone: Callable[[], Clone], shop: Path) -> Checkout:
    """The checkout with a snapshot. Read only: copy its clone to change it."""
    clone = make_clone()
    return Checkout(clone, clone.run("snapshot", str(shop)).stdout.split()[-1])


def test_a_snapshot_in_the_users_checkout_is_committed(checkout: Checkout) -> None:
    assert checkout.clone.git("status", "--porcelain") == ""
    assert "data: snapshot" in checkout.clone.git("log", "-1", "--format=%s")
    pointer = yaml.safe_load((checkout.clone.root / "data/snapshot.dvc").read_text())
    assert pointer["outs"][0]["md5"] == checkout.snapshot


@pytest.mark.full
def test_retrain_uses_the_snapshot_in_the_users_checkout(
    checkout: Checkout, shop: Path, tmp_path: Path
) -> None:
    clone = checkout.clone.copy(tmp_path / "project")
    clone.run("retrain")
    assert clone.git("status", "--porcelain") == ""
    (clone.root / "data/snapshot/catalog.parquet").chmod(0o644)  # as a user may do
    assert clone.client.get_model_version(CANDIDATES, "1").tags["snapshot"] == checkout.snapshot
    from_the_source = clone.run("retrain", "--source", str(shop)).stdout
    assert f"nothing has changed: the existing version is models:/{CANDIDATES}/1" in from_the_source


@pytest.fixture
def changed(checkout: Checkout, tmp_path: Path) -> Clone:
    """The checkout with a changed and an untracked file."""
    clone = checkout.clone.copy(tmp_path / "project")
    set_params(clone.root / "params.yaml", {"train.seed": 7})
    (clone.root / "ml/fresh.py").write_text('"""An untracked file."""\n')
    return clone


def test_uncommitted_changes_are_refused_by_name(changed: Clone) -> None:
    before = changed.git("status", "--porcelain")
    refused = changed.run("retrain", check=False)
    assert refused.returncode == 1
    assert "params.yaml" in refused.stderr
    assert "ml/fresh.py" in refused.stderr
    assert changed.git("status", "--porcelain") == before


@pytest.mark.full
def test_uncommitted_changes_that_are_allowed_make_a_version_that_cannot_be_promoted(
    changed: Clone,
) -> None:
    clone, before = changed, changed.git("status", "--porcelain")
    result = clone.run("retrain", "--allow-dirty").stdout
    assert "the gate refuses it" in result
    newest = clone.client.get_model_version_by_alias(CANDIDATES, "challenger")
    assert newest.tags["dirty"] == "true"
    assert clone.client.get_run(newest.run_id).data.params["train.seed"] == "7"
    assert "ml/fresh.py" in clone.git("ls-tree", "-r", "--name-only", newest.tags["branch"])
    promoted = clone.run("promote", check=False)
    assert promoted.returncode == 1
    assert "cannot be promoted" in promoted.stderr
    again = clone.run("reproduce", f"models:/{CANDIDATES}/{newest.version}", check=False)
    assert again.returncode == 1
    assert "not reproducible; it was made from uncommitted changes" in again.stdout
    assert clone.git("status", "--porcelain") == before


@pytest.mark.full
def test_two_retrains_side_by_side_make_two_versions_on_branches_of_their_own(
    shop: Path, tmp_path: Path, make_clone: Callable[[], Clone]
) -> None:
    clone = make_clone()
    generate_shop(tmp_path / "other", 100, seed=5)
    command = [sys.executable, "-m", "flows.cli", "retrain", "--source"]
    runs = [
        subprocess.Popen(
            [*command, str(source)],
            cwd=clone.root,
            env=clone.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        for source in (shop, tmp_path / "other")
    ]
    outputs = [run.communicate(timeout=600)[0].decode() for run in runs]
    assert [run.returncode for run in runs] == [0, 0], "\n".join(outputs)
    versions = clone.client.search_model_versions(f"name = '{CANDIDATES}'")
    assert len(versions) == 2
    for tag in ("branch", "snapshot", "recipe", "commit"):
        assert len({one.tags[tag] for one in versions}) == 2
    assert clone.git("status", "--porcelain") == ""
    assert len(clone.git("worktree", "list").splitlines()) == 1
