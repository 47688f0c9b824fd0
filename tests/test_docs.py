"""The pages for people: links lead somewhere, prose is narrow, and every word is explained."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import ROOT
from tiny import random_views, tiny_encoder

from flows.cli import app
from ml.evaluate.metric_words import METRICS
from ml.promote.decision import CheckKind
from ml.train.methods import TRAINING_METHODS

WIDTH, CELL = 100, 200  # columns of a line of prose, characters of a table's cell
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
LINK = re.compile(r"\]\(([^)\s]+)\)")  # its words may begin on the line before
URL = re.compile(r"\(?https?://\S+")
# What is written like a path of the project: a file name with a folder, or a folder that ends in /.
NAMED = re.compile(r"`((?:ml|flows|benchmarks|tests|docs|mlflow|data|\.ci)/[\w./-]*)`")
MADE = ("data/snapshot",)  # what runs make, and no checkout holds
EXAMPLE = "NAME"  # stands for a name of the reader's choice
TERMS = (
    *("snapshot", "block", "design", "colour variant", "hard pair", "block pair", "block AP"),
    *("CGacc", "gate", "champion", "challenger", "candidate", "recipe", "worktree", "dead run"),
    *("audit trail", "canary product", "serving check", "alpha spending", "segment", "quarantine"),
    *("data contract", "split", "crop", "localizer", "slice", "momentum encoder", "queue", "rival"),
    *("threshold", "calibration", "resample", "baseline", "param", "metric", "embedding"),
    *("clustering", "kept encoder", "training method", "annotations", "outage", "interval"),
)


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page with their numbers, without blocks of code."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield number, line


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    headings = [line.lstrip("#").strip() for _, line in prose(page) if line.startswith("#")]
    plain = [re.sub(r"[^\w -]", "", heading.lower()) for heading in headings]
    return {heading.replace(" ", "-") for heading in plain}


def is_table(line: str) -> bool:
    return line.startswith("|")


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    for number, line in prose(page):
        for target in LINK.findall(line):
            if "://" in target:
                continue
            file, _, anchor = target.partition("#")
            where = f"{page.name}:{number}: {target}"
            found = (page.parent / file) if file else page
            assert found.exists(), where
            if anchor:
                assert anchor in anchors(found), where


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_files_that_are_named_exist(page: Path) -> None:
    for number, line in prose(page):
        for name in NAMED.findall(line):
            made = any(Path(name).is_relative_to(folder) for folder in MADE)
            there = made or EXAMPLE in Path(name).parts or (ROOT / name).exists()
            assert there, f"{page.name}:{number}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_prose_is_narrow_and_cells_hold_no_paragraphs(page: Path) -> None:
    for number, line in prose(page):
        where = f"{page.name}:{number}"
        if is_table(line):
            if page.name == "release-example.md":  # the gate's own tables, as commands printed them
                continue
            assert max(map(len, line.split("|"))) <= CELL, f"{where}: a cell is too long"
        elif not line.startswith("!["):  # a picture is one link, however long
            assert len(URL.sub("", line)) <= WIDTH, f"{where}: {len(line)} columns"


def test_every_test_that_the_security_page_names_exists() -> None:
    text = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/test_\w+\.py)::(\w+)`", text)
    assert len(named) > 15
    assert len(named) == text.count("::")  # none is spelled in another way
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file}::{test}"


def glossary() -> dict[str, str]:
    """The terms of the glossary in its order, each with its text."""
    _, *entries = re.split(
        r"^### ", (ROOT / "docs/glossary.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    return {term: text for term, _, text in (entry.partition("\n") for entry in entries)}


def test_the_glossary_is_sorted_and_each_entry_is_short_and_names_its_file() -> None:
    entries = glossary()
    assert list(entries) == sorted(entries, key=str.casefold)
    for term, text in entries.items():
        assert LINK.findall(text), f"{term}: no file"
        assert len(text) <= 500, f"{term}: {len(text)} characters"


def test_the_index_of_the_glossary_names_every_entry() -> None:
    index = (ROOT / "docs/glossary.md").read_text(encoding="utf-8").partition("###")[0]
    assert re.findall(r"\[([^\]]+)\]\(#", index) == list(glossary())


def sections(params: dict[str, object], above: str = "") -> Iterator[str]:
    """The names of the sections of params.yaml and of the sections in these, joined by dots."""
    for name, value in params.items():
        if isinstance(value, dict):
            yield f"{above}{name}"
            if not above:
                yield from sections(value, f"{name}.")


def test_the_glossary_explains_every_section_of_params_yaml() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    profiles = {f"profiles.{name}" for name in params["profiles"]}  # sets of params, not sections
    text = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    for section in set(sections(params)) - profiles:
        last = section.rpartition(".")[2]
        said = last in glossary() or f"`{section}`" in text or f"`{last}`" in text
        assert said, f"docs/glossary.md does not explain the section {section} of params.yaml"


def test_the_glossary_holds_the_words_of_the_first_ten_minutes() -> None:
    assert set(TERMS) <= set(glossary())


def tree() -> dict[str, set[str]]:
    """The folders and modules that the README's tree shows below each folder of the project."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    drawn = text.partition("## The project")[2].split("```")[1]
    shown: dict[str, set[str]] = {}
    for line in drawn.strip().splitlines():
        names = re.match(r"\s*((?:[\w.]+(?:/|\.py)(?:\s+|$))*)", line)
        assert names, line
        found = names[1].split()
        if not line.startswith(" "):
            below = shown.setdefault(found[0], set())
        else:
            below |= set(found)
    return shown


def test_the_tree_in_the_readme_is_the_project() -> None:
    """The rooms of ml/, and the rooms and modules of flows/; new ones are shown too."""
    shown = tree()
    folders = {
        top: {f"{one.parent.name}/" for one in (ROOT / top).glob("*/__init__.py")}
        for top in ("ml", "flows")
    }
    modules = {one.name for one in (ROOT / "flows").glob("*.py")} - {"__init__.py"}
    there = {"ml/": folders["ml"], "flows/": folders["flows"] | modules}
    for top, names in there.items():
        missing, gone = sorted(names - shown[top]), sorted(shown[top] - names)
        assert not missing, f"README.md, “The project”: add {', '.join(missing)} below {top}"
        assert not gone, f"README.md, “The project”: {', '.join(gone)} is not below {top} any more"


def test_commands_and_targets_that_are_named_exist() -> None:
    known = {command.name or command.callback.__name__ for command in app.registered_commands}
    known |= {group.name for group in app.registered_groups}
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:^ +|`|\$ )variants (\w+)", text, re.MULTILINE)) <= known, page
        assert set(re.findall(r"(?:^ +|`)make ([a-z-]+)", text, re.MULTILINE)) <= targets, page


def test_the_pages_name_every_metric_method_and_check() -> None:
    texts = {page.name: page.read_text(encoding="utf-8") for page in PAGES}
    assert all(f"`{name}`" in texts["metrics.md"] for name in METRICS)
    assert all(f"| `{name}`" in texts["how-to-data-science.md"] for name in TRAINING_METHODS)
    for kind in CheckKind:
        assert f"- **{kind}" in texts["own-shop.md"], kind
        assert f"*{kind}" in texts["promotion.md"], kind


def test_the_method_that_contributors_begin_from_works() -> None:
    text = (ROOT / "docs/how-to-contribute.md").read_text(encoding="utf-8")
    code = text.partition("```python")[2].partition("```")[0]
    names: dict[str, Any] = {"__name__": "example"}
    try:
        exec(code, names)
        method = TRAINING_METHODS["pull"](tiny_encoder(), names["PullParams"](strength=2.0))
        loss, accuracy = method(*random_views(), torch.arange(4))
    finally:
        TRAINING_METHODS.pop("pull", None)
    assert loss > 0
    assert 0 <= accuracy <= 1
