"""Commands refuse a wrong word at once, before what it would need is looked for or made."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from catalogue import Shop
from conftest import project_of
from typer.testing import CliRunner

from flows.catalogue.places import store_of
from flows.cli import app
from flows.desk.roles import read_roles
from flows.local.pipeline import load_stages
from flows.local.project import Project
from flows.snapshot_gc import collect_garbage
from ml.catalogue.versions import save
from ml.core.errors import UserError
from ml.promote.policy import load_policy
from ml.snapshot.layouts.files import read_file, read_lines
from ml.snapshot.shop import open_shop


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project without groups, models or servers."""
    root = tmp_path_factory.mktemp("refusals") / "project"
    made = project_of(root, "dvc.yaml", "params.yaml", "mlflow/promotion.yaml")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").touch()
    return made


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with one version of the catalogue "shop"."""
    root = tmp_path_factory.mktemp("grouped") / "project"
    made = project_of(root, "dvc.yaml", "params.yaml", "mlflow/promotion.yaml")
    version = Shop(0).group()
    facts = {"catalogue": "shop", "source": "/shops/shop", "predecessor": None, "model": "m"}
    save(store_of(made), replace(version, facts=version.facts | facts))
    return made


def refused(*words: str | Path) -> str:
    """Runs a command that must be refused as bad input; returns what it says."""
    result = CliRunner().invoke(app, list(map(str, words)))
    if isinstance(result.exception, UserError):
        return str(result.exception)
    assert result.exit_code == 2, result.exception
    return " ".join(result.stderr.replace("│", "").split())


def commands(one: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every command of a group with its name."""
    if hasattr(one, "commands"):
        for inner, command in one.commands.items():
            yield from commands(command, f"{name} {inner}".strip())
    else:
        yield name, one


FOLDERS = {  # each command that writes a folder → its words before the folder's
    "generate": (),
    "import": ("shopify", "dvc.yaml", "--out"),
    "snapshot diff": ("a", "b", "--out"),
    "group": ("--source", "shop", "--out"),
    "download": ("--out",),
}
FILES = {  # each command that writes a file
    "groups export": ("shop", "google", "--out"),
    "annotate export": ("--catalogue", "shop", "--out"),
}


def test_every_command_that_writes_where_a_person_says_is_tried_below() -> None:
    found = {
        name
        for name, command in commands(typer.main.get_command(app))
        if {"out", "folder"} & {one.name for one in command.params}
    }
    assert found == {*FOLDERS, *FILES}


@pytest.mark.parametrize("name", [*FOLDERS, *FILES])
def test_a_file_in_the_place_of_a_folder_and_a_folder_in_that_of_a_file_are_refused_at_once(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(project.root)
    before = sorted(project.root.rglob("*"))
    file, folder = tmp_path / "a-file", tmp_path / "a-folder"
    file.write_text("mine")
    folder.mkdir()
    words = (*name.split(), *(FOLDERS | FILES)[name])
    assert str(file) in refused(*words, file / "deeper")
    if name in FOLDERS:
        assert f"'{file}' is " in refused(*words, file)
    else:
        assert refused(*words, folder) == f"'{folder}' is a folder: name a file with --out"
    assert file.read_text() == "mine"
    assert sorted(project.root.rglob("*")) == before


@pytest.mark.parametrize(
    ("command", "word"),
    [
        ("annotate suggest --mode foo", "'foo' is no mode"),
        ("annotate suggest --overlap 2", "less than or equal to 1"),
        ("annotate suggest --overlap 0.5 --annotator Ada", "two annotators"),
        ("annotate doubts --mode foo", "'foo' is no mode"),
        ("annotate import nowhere.csv --mode foo", "'foo' is no mode"),
        ("annotate export --out o --format foo", "pairs or label-studio"),
        ("annotate export --out o --batch b", "label-studio alone"),
        ("annotate export --out o --batch b --format label-studio --with p.csv", "pairs alone"),
        ("groups export shop foo --out o", "there is no export foo"),
        ("groups export shop google --out o --band foo", "publish or review"),
        ("groups export shop google --out o --shopify-ids MISSING", "the format shopify alone"),
        ("group --source s --columns =", "column"),
        ("group --source s --catalogue ../c", "../c"),
        ("retrain --source s --columns =", "column"),
        ("retrain --set train.epoch=3", "did you mean train.epochs?"),
        ("history --verify --json", "--json lists events"),
        ("history models:/color-variants/1 --restore", "lists events"),
        ("snapshot takee x", "'takee' is neither take, diff, gc nor a shop"),
        ("snapshot gc --cloud", "there is no DVC remote: add one with"),
        ("groups same 1 2", "no catalogue is grouped yet: `variants group"),
        ("annotate suggest", "no catalogue is grouped yet: `variants group"),
        ("group --source nowhere", "there is no shop at 'nowhere'"),
        ("retrain --source nowhere", "there is no shop at 'nowhere'"),
        ("serve --timezone Europe/Berlin", "give --cron too"),
        ("annotate estimate", "no catalogue is grouped yet: `variants group"),
    ],
)
def test_a_wrong_value_is_named_before_what_is_missing(
    project: Project, monkeypatch: pytest.MonkeyPatch, command: str, word: str
) -> None:
    def no_server(project: Project) -> None:
        raise AssertionError("a server was started for a wrong word")

    monkeypatch.chdir(project.root)
    monkeypatch.setattr("flows.cli._with_prefect", no_server)
    said = refused(*command.split())
    assert word in said
    assert "[Errno" not in said


def test_first_groups_are_not_remembered_so_that_options_about_memory_are_refused(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    for options, word in (
        (["--regroup"], "--regroup needs remembered groups"),
        (["--new-only"], "--new-only needs remembered groups"),
        (["--regroup", "--new-only"], "--regroup and --new-only need remembered groups"),
    ):
        assert word in refused("group", "--source", "s", "--model", "untrained", *options)


def test_a_file_that_an_export_needs_and_that_cannot_be_read_is_named(
    grouped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grouped.root)
    Path("latin").write_bytes(b"\xff\xff")
    words = ("groups", "export", "shop", "shopify", "--out", "o", "--shopify-ids")
    assert refused(*words, "MISSING") == (
        "the file 'MISSING' cannot be read: No such file or directory"
    )
    assert refused(*words, "latin") == "the file 'latin' is no text in UTF-8"
    assert "cannot be read: Is a directory" in refused(*words, "mlflow")


def test_a_product_that_is_paired_with_itself_is_told_as_two_words_and_not_as_a_row(
    grouped: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(grouped.root)
    for command in ("same", "different"):
        said = refused("groups", command, "p0001", "p0001", "--by", "Ada")
        assert said == "'p0001' is paired with itself: name two products"


def test_a_store_that_is_a_file_is_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setenv("VARIANTS_STORE", "params.yaml")
    assert refused("groups", "list") == (
        "VARIANTS_STORE=params.yaml is a file: name a folder, or the URL of one"
    )


def test_a_shop_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "catalog.csv").write_text("product_id\n")
    with pytest.raises(UserError, match="that is a file; name its folder"):
        open_shop(str(tmp_path / "catalog.csv"))


@pytest.mark.parametrize("read", [read_roles, load_policy, load_stages, read_file, read_lines])
def test_a_file_that_is_not_there_is_named_once(read: Callable[[Path], Any]) -> None:
    with pytest.raises(UserError) as refusal:
        list(read(Path("MISSING")))
    said = str(refusal.value)
    assert said.count("MISSING") == 1
    assert said.endswith("cannot be read: No such file or directory")


def test_nothing_is_to_forget_while_all_clones_are_there(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    with pytest.raises(UserError, match="all known clones are there, so there is nothing to"):
        collect_garbage(project, False, ["/nope"], False, print)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (("promote", "99"), "no model 'color-variants-candidates' is registered"),
        (("group", "--model", "models:/other/99", "--source"), "no model 'other' is registered"),
        (("group", "--source"), "--model untrained"),
    ],
)
def test_a_model_that_is_not_there_is_refused_before_a_server_is_started(
    project: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(project.root)
    monkeypatch.setattr("flows.cli._with_prefect", lambda project: pytest.fail("a server starts"))
    asked = (*command, tmp_path) if command[-1] == "--source" else command
    assert words in refused(*asked)
