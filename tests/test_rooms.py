"""The rooms: data flows one way through them, and a served model carries few of them."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

from flows.registry.package import copy_rooms

STAGES = ("snapshot", "validate", "prepare", "train", "embed", "evaluate")
BASE = {"core", "data"}
MAY_IMPORT = {  # for each room of ml/, the rooms that it may import besides itself
    "core": set(),
    "data": {"core"},
    "grouping": {"core"},
    "model": {"core"},
    "pages": BASE,
    **{stage: BASE | {"grouping", "model", "pages"} for stage in STAGES},
    "catalogue": BASE | {"grouping", "pages"},
    "annotate": BASE | {"grouping"},
    "exports": BASE,
    "serve": BASE | {"grouping", "model", "pages", "prepare"},
    "untrained": BASE | {"grouping", "model", "serve"},
    "promote": BASE | {"evaluate", "pages"},
    "synthetic": {"core"},
}
FLOORS = (
    "local",
    "registry",
    "catalogue",
    "annotations",
    "gate",
    "display",
)  # of flows/: each may import those before it


DESK = "desk"  # of flows/: pages of what the commands do


def packages(file: Path) -> set[str]:
    """The imports of a module, by the first two parts of their names, such as ml.core."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            deep = node.module.count(".") > 0
            names = [node.module] if deep else [f"{node.module}.{one.name}" for one in node.names]
        found |= {".".join(name.split(".")[:2]) for name in names}
    return found


def rooms_of(package: str) -> set[str]:
    return {one.parent.name for one in (ROOT / package).glob("*/__init__.py")}


def test_every_room_is_in_the_plan() -> None:
    assert rooms_of("ml") == set(MAY_IMPORT)
    assert rooms_of("flows") == {*FLOORS, DESK}


@pytest.mark.parametrize("room", sorted(MAY_IMPORT))
def test_data_flows_one_way_through_the_rooms_of_ml(room: str) -> None:
    allowed = {f"ml.{one}" for one in MAY_IMPORT[room] | {room}}
    for file in (ROOT / "ml" / room).rglob("*.py"):
        ours = {
            name for name in packages(file) if name.split(".")[0] in ("ml", "flows", "benchmarks")
        }
        assert ours <= allowed, file


@pytest.mark.parametrize("room", FLOORS)
def test_rooms_of_flows_import_those_before_them_and_never_what_a_person_runs(room: str) -> None:
    allowed = {f"flows.{one}" for one in FLOORS[: FLOORS.index(room) + 1]}
    for file in (ROOT / "flows" / room).rglob("*.py"):
        assert {name for name in packages(file) if name.startswith("flows.")} <= allowed, file


def test_the_desk_calls_what_the_commands_call_and_nothing_but_the_command_calls_it() -> None:
    for file in (ROOT / "flows").rglob("*.py"):
        names = {name for name in packages(file) if name.startswith("flows.")}
        if file.parent.name == DESK:
            assert not any(name.startswith("flows.cli") for name in names), file
        else:
            assert f"flows.{DESK}" not in names or file.name == "cli.py", file


def test_the_code_that_a_model_carries_is_enough_and_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    copy_rooms(tmp_path / "ml")
    files = [file for file in (tmp_path / "ml").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".py"}
    assert 500 < sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 2500
    tree = ast.parse((ROOT / "mlflow/serving.py").read_text(encoding="utf-8"))
    nodes = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    names = sorted({str(node.module) for node in nodes if str(node.module).startswith("ml.")})
    assert "ml.serve.predictor" in names
    loaded = (
        f"import sys, {', '.join(names)}; print(*{{sys.modules[one].__file__ for one in {names}}})"
    )
    found = subprocess.run(
        [sys.executable, "-c", loaded],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert all(file.startswith(str(tmp_path)) for file in found.split())


def test_importing_the_packages_changes_nothing_around_them() -> None:
    look = (
        "import os; before = dict(os.environ); import flows.cli; print(dict(os.environ) == before)"
    )
    found = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert found == "True\n"
