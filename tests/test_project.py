"""The files around the code agree with one another: workflows, Makefile, versions, changelog."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml
from conftest import ROOT, SLOW_FIXTURES
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))


def called(text: str) -> set[str]:
    """Targets that a shell command or a page calls, as in `make lint`."""
    found = re.findall(r"(?:^|[\s`\"])make((?: [a-z][a-z-]*)+)", text, re.MULTILINE)
    return {target for one in found for target in one.split()}


def read(path: Path) -> dict[str, object]:
    content: dict[str, object] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_may_only_read_and_call_targets_that_exist(path: Path) -> None:
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert workflow["concurrency"]
    jobs = workflow["jobs"]
    assert isinstance(jobs, dict)
    for job in jobs.values():
        assert "permissions" not in job
        assert job["timeout-minutes"] < 360
        targets = {target for step in job["steps"] for target in called(step.get("run", ""))}
        assert targets
        assert targets <= TARGETS


def test_ci_runs_what_a_person_runs() -> None:
    ci = called((ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    assert {"lint", "test"} == called((ROOT / ".ci/run").read_text(encoding="utf-8"))
    assert {"lint", "test", "coverage"} <= ci


@pytest.mark.parametrize("name", ["Dockerfile", ".devcontainer/devcontainer.json"])
def test_containers_call_targets_that_exist(name: str) -> None:
    targets = called((ROOT / name).read_text(encoding="utf-8").replace('["make", "', "make "))
    assert "install" in targets
    assert targets <= TARGETS


def test_every_target_of_the_makefile_is_phony_and_every_command_has_help() -> None:
    phony = MAKEFILE.replace("\\\n", " ").split(".PHONY:")[1].splitlines()[0].split()
    assert set(phony) == TARGETS
    helped = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    assert helped == TARGETS - {"browser"}


def test_hooks_run_the_tools_of_the_environment_and_leave_commits_of_data_alone() -> None:
    content = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    for hook in (hook for repo in content["repos"] for hook in repo["hooks"]):
        assert (ROOT / hook["entry"].split()[0]).is_file()
        assert {*hook.get("types", []), *hook.get("types_or", [])} <= {"python", "markdown"}


@pytest.mark.parametrize(
    "path", [*FORMS, ROOT / ".github/dependabot.yml"], ids=lambda one: one.stem
)
def test_forms_are_valid_yaml(path: Path) -> None:
    assert read(path)


def test_the_development_container_is_valid_json() -> None:
    described = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert (ROOT / ".devcontainer" / described["build"]["dockerfile"]).is_file()


def test_the_image_holds_all_that_git_tracks() -> None:
    """A retraining needs a clean checkout, also in the image."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    ignored = [f":(glob){line}" for line in lines if line and not line.startswith("#")]
    tracked = subprocess.run(
        ["git", "ls-files", "--", *ignored], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert tracked.stdout == ""


def test_the_newest_version_of_the_changelog_is_the_projects() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d{2}-\d{2})?$", changelog, re.MULTILINE)
    links = re.findall(r"^\[(.+?)\]: https://", changelog, re.MULTILINE)
    assert headings[:2] == ["Unreleased", PROJECT["version"]]
    assert links == headings


def test_every_declared_package_is_pinned_within_its_limits() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = dict(line.split("==") for line in lines if "==" in line)
    pins = {canonicalize_name(name): version for name, version in pins.items()}
    extras = PROJECT["optional-dependencies"].values()
    for line in [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]:
        requirement = Requirement(line)
        if requirement.name != PROJECT["name"]:
            pin = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(pin), line


def test_types_are_packaged() -> None:
    packaged = SETTINGS["tool"]["setuptools"]["package-data"]
    for package in ("flows", "ml"):
        assert (ROOT / package / "py.typed").is_file()
        assert "py.typed" in packaged[package]


def test_the_fixtures_that_make_a_test_slow_exist() -> None:
    """A renamed one would let slow tests into `make test-fast`."""
    tests = "".join(one.read_text(encoding="utf-8") for one in (ROOT / "tests").glob("*.py"))
    assert {name for name in SLOW_FIXTURES if f"\ndef {name}(" not in tests} == set()
