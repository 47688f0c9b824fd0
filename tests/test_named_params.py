"""Every param that a message, a help text or a doc names is in params.yaml.

A named param is a dotted name that begins with a section of params.yaml, such as
`train.encoder.slices`. A longer dotted name (`ml.train.stage`), a path (`artifacts/train`) and a
file name (`train.py`: its last part is the suffix of a tracked file) are none.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

CODE = ("ml", "flows", "mlflow", "benchmarks")
TEXTS = ("README.md", "CONTRIBUTING.md", "docs/*.md", "mlflow/*.j2", "mlflow/*.yaml")
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SECTIONS = [name for name in PARAMS if name != "profiles"]
NAMED = re.compile(rf"(?<![\w./-])(?:{'|'.join(SECTIONS)})(?:\.[a-z]\w*)+")


def below(content: dict[str, Any], place: str = "") -> Iterator[str]:
    """The dotted names of all params and sections."""
    for key, value in content.items():
        yield f"{place}{key}"
        if isinstance(value, dict):
            yield from below(value, f"{place}{key}.")


KNOWN = set(below({section: PARAMS[section] for section in SECTIONS}))


def tracked_files() -> list[Path]:
    command = ["git", "ls-files"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [Path(line) for line in done.stdout.splitlines()]


SUFFIXES = {file.suffix.removeprefix(".") for file in tracked_files()}


def string_literals(code: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def unknown_params(text: str) -> list[str]:
    """The params that a text names and that params.yaml lacks."""
    names = [name for name in NAMED.findall(text) if name.rpartition(".")[2] not in SUFFIXES]
    return [name for name in names if name not in KNOWN]


@pytest.mark.parametrize("package", CODE)
def test_every_param_that_a_string_of_the_code_names_exists(package: str) -> None:
    named = 0
    for file in sorted((ROOT / package).rglob("*.py")):
        for text in string_literals(file.read_text(encoding="utf-8")):
            assert unknown_params(text) == [], file
            named += len(NAMED.findall(text))
    assert named or package == "mlflow"


@pytest.mark.parametrize("pattern", TEXTS)
def test_every_param_that_a_doc_or_template_names_exists(pattern: str) -> None:
    files = sorted(ROOT.glob(pattern))
    assert files
    for file in files:
        assert unknown_params(file.read_text(encoding="utf-8")) == [], file


@pytest.mark.parametrize("file", ["params.yaml", "benchmarks/rows.yaml"])
def test_every_param_that_profiles_and_benchmarks_set_exists(file: str) -> None:
    text = (ROOT / file).read_text(encoding="utf-8")
    assert len(NAMED.findall(text)) > 5
    assert unknown_params(text) == []


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("train.backbone: timm has no model 'x'", ["train.backbone"]),
        ("name a file in train.weights, or train.encoder.weights.", ["train.weights"]),
        ("`prepare.size` px, {{ params['prepare.sides'] }}", ["prepare.size", "prepare.sides"]),
        ("--set train.pbcnet.queues=8", ["train.pbcnet.queues"]),
        ("set evaluate.grouping.", []),
        ("the section prepare.regions, train.pbcnet_semi.queue", []),
        ("ml.train.stage writes test.block_ap, train.py and docs/evaluate.md", []),
        ("artifacts/train/encoder.json, train/prepare.size", []),
        ("We train. evaluate follows.", []),
    ],
)
def test_a_param_that_does_not_exist_is_found(text: str, unknown: list[str]) -> None:
    assert unknown_params(text) == unknown


def test_a_wrong_name_is_found_in_a_message_that_is_put_together() -> None:
    code = """raise UserError(f"train.{name}, {given}: correct " f"train.machine to {name}")"""
    found = [name for text in string_literals(code) for name in unknown_params(text)]
    assert found == ["train.machine"]


def test_no_param_is_taken_for_a_file_name() -> None:
    assert not {name.rpartition(".")[2] for name in KNOWN} & SUFFIXES
