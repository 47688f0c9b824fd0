"""dvc.yaml defines the pipeline, and it names everything that its stages depend on."""

import ast
import copy
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from conftest import ROOT
from dvc.stage.cache import _get_cache_hash

from flows.local.pipeline import load_stages, refusal_in
from flows.local.recipe import digest
from ml.core.errors import UserError


def imported(module: Path) -> set[Path]:
    """The project's modules that a module imports, directly or through others, and itself."""
    found: set[Path] = set()
    waiting = [module]
    while waiting:
        file = waiting.pop()
        if file in found:
            continue
        found.add(file)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and node.module:
                names = [node.module, *(f"{node.module}.{one.name}" for one in node.names)]
            for name in names:
                path = ROOT / name.replace(".", "/")
                waiting += [
                    one for one in (path.with_suffix(".py"), path / "__init__.py") if one.is_file()
                ]
    return found


def inside(path: str, folders: set[str]) -> bool:
    return any(PurePosixPath(path).is_relative_to(folder) for folder in folders)


@pytest.mark.parametrize("name", [stage.name for stage in load_stages(ROOT)])
def test_a_stage_names_every_room_that_it_runs_so_that_no_model_is_stale(name: str) -> None:
    stage = next(one for one in load_stages(ROOT) if one.name == name)
    main = ROOT / stage.cmd.removeprefix("python -m ").replace(".", "/") / "__main__.py"
    imports = {file.relative_to(ROOT).as_posix() for file in imported(main)}
    rooms = {dep for dep in stage.deps if inside(dep, {"ml"})}
    assert {file for file in imports if not inside(file, rooms)} == set()
    assert {room for room in rooms if not any(inside(file, {room}) for file in imports)} == set()
    assert "constraints.txt" in stage.deps


def test_dvc_yaml_names_rooms_and_not_modules() -> None:
    named = [dep for stage in load_stages(ROOT) for dep in stage.deps if inside(dep, {"ml"})]
    assert 5 <= len(named) <= 25
    assert all((ROOT / room).is_dir() for room in named)


def test_what_python_leaves_in_a_room_does_not_make_a_stage_run_again(tmp_path: Path) -> None:
    room = tmp_path / "room"
    room.mkdir()
    (room / "code.py").write_text("print('hello')\n")
    command = f"{sys.executable} room/code.py > out.txt"
    stage = {"cmd": command, "deps": ["room"], "outs": ["out.txt"]}
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"one": stage}}))
    shutil.copy(ROOT / ".dvcignore", tmp_path)

    def dvc(*arguments: str) -> str:
        run = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(run, cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    dvc("init", "--no-scm")
    assert "Running stage" in dvc("repro")
    before = digest(room)
    (room / "__pycache__").mkdir()
    (room / "__pycache__/code.cpython-311.pyc").write_bytes(b"compiled")
    assert "Running stage" not in dvc("repro")
    assert digest(room) == before
    (room / "more.py").write_text("")
    assert "Running stage" in dvc("repro")
    assert digest(room) != before


def places(section: dict[str, Any], place: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The places of all params, such as ("prepare", "side")."""
    found = []
    for name, value in section.items():
        found += places(value, (*place, name)) if isinstance(value, dict) else [(*place, name)]
    return found


def test_every_param_counts_in_dvcs_run_cache_so_that_no_stage_is_taken_from_another_setting() -> (
    None
):
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    del params["profiles"]
    as_it_is = _get_cache_hash({"params": params})
    overlooked = []
    for *path, name in places(params):
        changed = copy.deepcopy(params)
        place = changed
        for part in path:
            place = place[part]
        place[name] = "another"
        if _get_cache_hash({"params": changed}) == as_it_is:
            overlooked.append(".".join([*path, name]))
    # DVC ignores params named `size` or `nfiles`: https://github.com/iterative/dvc/issues/10296
    assert overlooked == []


def test_the_contract_and_the_snapshot_are_dependencies_of_the_stage_that_reads_them() -> None:
    stages = {stage.name: stage for stage in load_stages(ROOT)}
    assert {"data/gx", "data/snapshot", "data/previous.json"} <= set(stages["validate"].deps)


def test_the_flows_graph_is_the_one_that_dvc_draws() -> None:
    drawn = subprocess.run(
        [sys.executable, "-m", "dvc", "dag", "--dot"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    edges = set(re.findall(r'"(\w+)" -> "(\w+)"', drawn))
    ours = {(upstream, stage.name) for stage in load_stages(ROOT) for upstream in stage.upstream}
    assert edges == ours
    assert ("prepare", "evaluate") in ours


def test_stages_come_after_those_they_read_from() -> None:
    seen: set[str] = set()
    for stage in load_stages(ROOT):
        assert set(stage.upstream) <= seen
        seen.add(stage.name)
    assert seen == {"validate", "prepare", "train", "embed", "evaluate"}


def test_every_stage_has_a_timeout_and_a_description() -> None:
    for stage in load_stages(ROOT):
        assert stage.timeout > 0
        assert stage.desc[0].isupper()


def test_stages_that_wait_for_each_other_are_refused(tmp_path: Path) -> None:
    stages = {
        "a": {"cmd": "x", "deps": ["b.txt"], "outs": ["a.txt"]},
        "b": {"cmd": "x", "deps": ["a.txt"], "outs": ["b.txt"]},
    }
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    with pytest.raises(UserError, match="wait for each other"):
        load_stages(tmp_path)


def test_the_error_of_a_stage_is_found_in_the_output_of_dvc() -> None:
    lines = [
        "look: 10%",
        "error: the snapshot is broken:",
        "  row 3",
        "ERROR: failed to reproduce 'validate'",
    ]
    assert refusal_in(lines) == "the snapshot is broken:\n  row 3"
    assert refusal_in(["Traceback", "ValueError: x", "ERROR: failed to reproduce 'train'"]) is None


def test_nothing_of_prefect_mlflow_or_dvc_is_imported_in_ml() -> None:
    for file in (ROOT / "ml").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & {
                "prefect",
                "mlflow",
                "dvc",
                "flows",
            }, file


def test_the_folders_mlflow_and_data_are_no_packages() -> None:
    assert not list((ROOT / "mlflow").rglob("__init__.py"))
    assert not list((ROOT / "data").rglob("__init__.py"))


def test_every_pinned_version_is_the_installed_one() -> None:
    from importlib.metadata import PackageNotFoundError, version

    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    listed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = [re.split(r"[^\w-]", one)[0] for one in listed]
    needed = [name for name in names if name != project["name"]]
    assert len(needed) > 20
    normal = {name.lower().replace("_", "-"): pin for name, pin in pins.items()}
    for name in needed:
        pin = normal[name.lower().replace("_", "-")]
        try:
            assert version(name) == pin
        except PackageNotFoundError:
            pytest.fail(f"{name} is not installed")
