"""A checkout that cannot be written: commands that read work, the others say what to do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import PRODUCTION, ROOT, Clone, loosen_gate, project_of
from servers import mlflow_served, of_its_own

from flows.local.servers import running

# Mounts a folder over itself, read-only, in a mount namespace of the command's own.
MOUNT = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && cd "$0" && exec "$@"'


def closed(clone: Clone, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `variants ARGUMENTS` in a clone that is mounted read-only."""
    command = ["unshare", "--mount", "sh", "-c", MOUNT, str(clone.root)]
    command += [sys.executable, "-m", "flows.cli", *arguments]
    return clone.command(*command, check=False)


def can_mount(folder: Path) -> bool:
    """Returns whether this account may mount a folder read-only, as root may in most places."""
    if not shutil.which("unshare"):
        return False
    command = ["unshare", "--mount", "sh", "-c", MOUNT, str(folder), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module", autouse=True)
def _mountable(tmp_path_factory: pytest.TempPathFactory) -> None:
    if not can_mount(tmp_path_factory.mktemp("mount")):
        pytest.skip("this account cannot mount a folder read-only")


@pytest.fixture
def bare(tmp_path: Path) -> Clone:
    """A project without a registry, whose owner lets git trust every folder."""
    root = tmp_path / "project"
    project_of(root, "dvc.yaml", "params.yaml", "mlflow/promotion.yaml")
    (tmp_path / ".gitconfig").write_text("[safe]\n\tdirectory = *\n")
    clone = Clone(root)
    clone.environment |= {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    return clone


def test_without_a_registry_the_error_names_the_folder_and_what_to_set(bare: Clone) -> None:
    tells_what_to_set(bare, closed(bare, "status"))
    assert closed(bare, "--help").returncode == 0


@pytest.mark.full
@pytest.mark.skipif(not shutil.which("setpriv"), reason="needs setpriv")
def test_a_checkout_of_another_user_is_told_like_a_read_only_one(bare: Clone) -> None:
    for place in (bare.root, *bare.root.rglob("*")):
        os.chown(place, 65534, 65534)
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"]
    command += [sys.executable, "-m", "flows.cli", "status"]
    tells_what_to_set(bare, bare.command(*command, check=False))


def tells_what_to_set(clone: Clone, refused: subprocess.CompletedProcess[str]) -> None:
    """Holds that an error names the missing registry, the folder that is closed and the setting."""
    assert refused.returncode == 1
    place = f"{clone.root}/.variants/mlflow.db"
    assert refused.stderr.startswith(f"error: there is no registry at {place}")
    assert f"may not write into {clone.root}: set MLFLOW_TRACKING_URI" in refused.stderr


@pytest.fixture(scope="module")
def champion(make_clone: Callable[[], Clone], shop: Path) -> Clone:
    """A clone with a champion and a snapshot in its checkout; read only."""
    clone = make_clone()
    loosen_gate(clone)
    clone.run("retrain", "--source", str(shop))
    clone.run("approve", "1", "--by", "Rita")
    clone.run("promote")
    return clone


def reads(clone: Clone, shop: Path, folder: Path) -> None:
    """Holds that every command that reads works in a read-only clone, and leaves nothing."""
    before = sorted((clone.root / ".variants").iterdir())
    for command in (
        ["status"],
        ["status", "--json"],
        ["history"],
        ["evaluate", f"models:/{PRODUCTION}@champion", "--source", str(shop)],
        ["group", "--source", str(shop), "--out", str(folder / "groups")],
        ["snapshot", "diff", str(shop), str(shop), "--out", str(folder / "diff")],
        ["retrain", "--help"],
    ):
        done = closed(clone, *command)
        assert done.returncode == 0, (command, done.stderr)
    assert json.loads(closed(clone, "status", "--json").stdout)["champion"] == "1"
    assert (folder / "groups/groups.csv").is_file()
    assert sorted((clone.root / ".variants").iterdir()) == before


@pytest.mark.full
def test_commands_that_read_work_on_the_embedded_store_and_the_others_are_refused_in_words(
    champion: Clone, shop: Path, tmp_path: Path
) -> None:
    reads(champion, shop, tmp_path)
    before = champion.state()
    for command in (
        ["retrain", "--source", str(shop)],
        ["approve", "1", "--by", "Rita"],
        ["promote", "1"],
        ["rollback", "--reason", "people complain"],
        ["snapshot", str(shop)],
        ["group", "--source", str(shop)],
    ):
        refused = closed(champion, *command)
        assert refused.returncode == 1, command
        said = refused.stderr.splitlines()[-1]
        assert said.startswith("error: "), (command, refused.stderr)
        assert "Traceback" not in refused.stderr, command
    assert champion.state() == before


@pytest.mark.full
def test_commands_that_read_work_with_a_server(champion: Clone, shop: Path, tmp_path: Path) -> None:
    served = mlflow_served(f"sqlite:///{champion.root}/.variants/mlflow.db", tmp_path / "artifacts")
    with running(
        served.command, tmp_path / "mlflow.log", of_its_own(tmp_path / "prefect"), served.ready
    ):
        clone = Clone(champion.root)
        clone.environment |= {"MLFLOW_TRACKING_URI": served.address}
        reads(clone, shop, tmp_path)
