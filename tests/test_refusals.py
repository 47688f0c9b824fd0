"""Bad input gets a clear error, exit code 1 and no traceback, and changes nothing."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Clone, edit_table, jpeg
from servers import free_port, post, prefect_server
from test_images import bomb
from typer.testing import CliRunner

from flows.cli import app

HEADER = "product_id,image,brand,gender,article_type\n"


@pytest.fixture(scope="module")
def clone(
    make_clone: Callable[[], Clone], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Clone]:
    """A clone with a Prefect server and an empty registry; refused commands do not change it."""
    made = make_clone()
    with prefect_server(tmp_path_factory.mktemp("prefect")) as address:
        made.environment["PREFECT_API_URL"] = address
        made.run("status")  # the registry is made
        yield made


def refused(clone: Clone, *command: str) -> str:
    """Runs a command that must be refused; returns its error message."""
    result = clone.run(*command, check=False)
    assert result.returncode == 1, result.stdout + result.stderr
    for output in (result.stdout, result.stderr):
        assert "Traceback" not in output
    _, found, error = f"\n{result.stderr}".rpartition("\nerror: ")
    assert found, result.stderr
    assert error.strip()
    said = result.stdout + result.stderr
    assert said.count(error.splitlines()[0]) == 1, said  # by the command, not by Prefect as well
    assert "Finished in state" not in said
    return error


def spoil(shop: Path, how: str) -> list[str]:
    """Spoils a shop in one way, one of `SPOILT`; returns words that the error must hold."""
    picture = shop / "images/1000000.jpg"
    catalog = shop / "catalog.csv"
    if how == "no catalogue":
        catalog.unlink()
        return ["catalog.csv"]
    if how == "missing column":
        edit_table(catalog, lambda table: table.drop(columns="brand"))
        return ["brand"]
    if how == "duplicate ids":
        edit_table(catalog, lambda table: pd.concat([table, table.head(1)]))
        return ["1000000", "twice"]
    if how == "path with dots":
        edit_table(catalog, lambda table: table.assign(image="../../../etc/hostname"))
        return ["not inside the shop", "../../../etc/hostname"]
    if how == "contradictory pairs":
        ids = pd.read_csv(catalog, dtype=str)["product_id"].tolist()
        rows = [(ids[0], ids[1], 1), (ids[1], ids[2], 1), (ids[0], ids[2], 0)]
        pd.DataFrame(rows, columns=["left", "right", "color_variants"]).to_csv(
            shop / "pairs.csv", index=False
        )
        return ["contradict", ids[0], ids[2]]
    if how == "pair with itself":
        edit_table(shop / "pairs.csv", lambda table: table.assign(right=table["left"]))
        return ["no pair is of a product with itself"]
    content = {
        "truncated": lambda: picture.read_bytes()[:2000],
        "zero bytes": lambda: b"",
        "html": lambda: b"<html><body>not found</body></html>",
        "bomb": bomb,
        "blank": lambda: jpeg(np.full((224, 224, 3), 255, np.uint8)),
    }
    if how == "missing picture":
        picture.unlink()
    else:
        picture.write_bytes(content[how]())
    reason = {
        "missing picture": "missing",
        "zero bytes": "0 bytes",
        "html": "HTML",
        "bomb": "limit",
    }.get(how, how)
    return ["1000000", reason]


# Of each part that refuses, one is tried in `make test`: the folder, a picture, the import, the
# pairs. All that each part refuses is tried by test_shop.py, test_images.py and test_validate.py.
SPOILT = ["no catalogue", "bomb", "path with dots", "contradictory pairs"]
ALSO_SPOILT = [
    "missing column",
    "duplicate ids",
    "missing picture",
    "truncated",
    "zero bytes",
    "html",
    "blank",
    "pair with itself",
]


@pytest.mark.parametrize(
    "how", [*SPOILT, *(pytest.param(one, marks=pytest.mark.full) for one in ALSO_SPOILT)]
)
def test_a_bad_shop_is_refused_and_nothing_changes(clone: Clone, own_shop: Path, how: str) -> None:
    words = spoil(own_shop, how)
    before = clone.state()
    error = refused(clone, "retrain", "--source", str(own_shop))
    for word in words:
        assert word in error
    assert clone.state() == before


def test_a_refused_shop_is_explained_on_prefects_page_with_every_row_and_the_contract_page(
    clone: Clone, own_shop: Path
) -> None:
    address = f"{clone.environment['PREFECT_API_URL']}"
    before = {one["id"] for one in post(f"{address}/artifacts/filter", {})}
    spoil(own_shop, "pair with itself")
    refused(clone, "retrain", "--source", str(own_shop))
    made = [one for one in post(f"{address}/artifacts/filter", {}) if one["id"] not in before]
    shown = {one["key"]: one["data"] for one in made}
    assert "no pair is of a product with itself" in shown["refusal"]
    assert "```" in shown["refusal"]
    rows = json.loads(shown["refused-rows"])
    pairs = pd.read_csv(own_shop / "pairs.csv", dtype=str)
    itself = [one["row"] for one in rows if "with itself" in one["rule"]]
    assert len(itself) == len(pairs) > 10
    kept = clone.root / ".variants/refused.html"
    assert "no pair is of a product with itself" in kept.read_text()
    assert str(kept) in shown["contract"]
    run = max(post(f"{address}/flow_runs/filter", {}), key=lambda one: str(one["start_time"]))
    assert (run["state_name"], run["state_type"]) == ("Refused input", "CANCELLED")
    assert "breaks the data contract" in run["state"]["message"]


def test_a_shop_that_is_not_there_is_refused(clone: Clone, tmp_path: Path) -> None:
    assert "no shop" in refused(clone, "retrain", "--source", str(tmp_path / "nowhere"))
    assert "no shop" in refused(clone, "evaluate", "gray", "--source", str(tmp_path / "nowhere"))


def test_without_a_source_and_without_a_snapshot_retrain_says_what_to_do(clone: Clone) -> None:
    assert "variants snapshot" in refused(clone, "retrain")


@pytest.mark.parametrize(
    ("setting", "word"),
    [
        ("train.epochs=-1", "train.epochs"),
        ("train.nothing=1", "train.nothing"),
        ("train.epochs", "PARAM=VALUE"),
    ],
)
def test_a_wrong_param_is_refused_and_named(
    clone: Clone, shop: Path, setting: str, word: str
) -> None:
    before = clone.state()
    assert word in refused(clone, "retrain", "--source", str(shop), "--set", setting)
    assert clone.state() == before


@pytest.mark.parametrize(
    ("command", "word"),
    [
        (["evaluate", "models:/nobody@champion", "--source", "SHOP"], "nobody"),
        (["evaluate", "models:/color-variants@champion", "--source", "SHOP"], "color-variants"),
        (["evaluate", "0123456789abcdef0123456789abcdef", "--source", "SHOP"], "no run"),
        (["evaluate", "gray", "--source", "SHOP", "--split", "holdout"], "--split"),
        (["group", "--source", "SHOP"], "--model untrained"),
        (["promote"], "color-variants-candidates"),
        (["promote", "99"], "color-variants-candidates"),
        (["reproduce", "models:/color-variants/1"], "color-variants"),
        (["approve", "99"], "color-variants-candidates"),
        (["rollback", "--reason", "why not"], "no champion"),
        (["rollback", "--reason", " "], "--reason"),
        (["serve"], "Prefect"),
    ],
)
def test_an_unknown_model_or_alias_is_refused_and_what_there_is_instead_is_named(
    clone: Clone, shop: Path, command: list[str], word: str
) -> None:
    if command == ["serve"]:
        alone = Clone(clone.root)
        assert word in refused(alone, "serve")
        return
    assert word in refused(clone, *(str(shop) if part == "SHOP" else part for part in command))


def test_a_shop_without_pairs_and_complete_blocks_cannot_be_evaluated(
    clone: Clone, own_shop: Path
) -> None:
    for table in (*own_shop.glob("pairs.*"), *own_shop.glob("blocks*")):
        table.unlink()
    assert "no pairs" in refused(clone, "evaluate", "gray", "--source", str(own_shop))


def test_outside_a_git_clone_every_command_says_so(
    tmp_path: Path, clone: Clone, shop: Path
) -> None:
    alone = Clone(tmp_path)
    alone.environment["PYTHONPATH"] = str(clone.root)
    for command in (
        ["retrain", "--source", str(shop)],
        ["status"],
        ["promote"],
        ["group", "--source", str(shop)],
        ["ui"],
    ):
        assert "git clone" in refused(alone, *command)
    alone.git("init", "--quiet")
    assert "not one of this project" in refused(alone, "status")


def test_a_clone_without_a_commit_is_refused(tmp_path: Path, clone: Clone, shop: Path) -> None:
    alone = Clone(tmp_path / "project")
    shutil.copytree(
        clone.root, alone.root, ignore=shutil.ignore_patterns(".git", ".variants", "cache")
    )
    alone.git("init", "--quiet")
    alone.environment["PREFECT_API_URL"] = clone.environment["PREFECT_API_URL"]
    assert "no commit yet" in refused(alone, "retrain", "--source", str(shop))


def test_an_mlflow_server_that_does_not_answer_is_named_before_anything_is_done(
    clone: Clone, shop: Path
) -> None:
    before = clone.state()
    away = Clone(clone.root)
    away.environment |= clone.environment | {
        "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{free_port()}"
    }
    for command in (
        ["retrain", "--source", str(shop)],
        ["status"],
        ["evaluate", "gray", "--source", str(shop)],
    ):
        assert "MLflow does not answer" in refused(away, *command)
    assert clone.state() == before


def test_generate_never_writes_over_anything(clone: Clone, own_shop: Path) -> None:
    before = (own_shop / "catalog.csv").read_bytes()
    assert "not empty" in refused(clone, "generate", str(own_shop), "--products", "5")
    assert (own_shop / "catalog.csv").read_bytes() == before


def test_taken_ports_are_named(clone: Clone) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in refused(clone, "ui", "--mlflow-port", str(port))


@pytest.mark.parametrize(
    "command",
    [
        *(
            "generate",
            "snapshot",
            "retrain",
            "evaluate",
            "group",
            "approve",
            "reject",
            "promote",
            "rollback",
            "history",
        ),
        *("status", "ui", "serve", "demo", "desk"),
    ],
)
def test_help_teaches_without_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert "Usage" in shown.stdout
    assert len(shown.stdout.splitlines()) > 6
