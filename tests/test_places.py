"""Wherever a clone lies and whatever the environment names, commands find what is theirs."""

import http.server
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, Keep, clone_project, loosen_gate
from faults import CHECKED, PLACE, lost
from hostile import make_hostile

from flows.local.git import git
from flows.local.project import Project
from ml.synthetic import generate_shop

NOBODY = "http://127.0.0.1:9"  # the port `discard`: no proxy answers there
PROXIES = {
    name: NOBODY
    for lower in ("http_proxy", "https_proxy", "all_proxy")
    for name in (lower, lower.upper())
} | {"no_proxy": "", "NO_PROXY": ""}
ASK = """
from flows.local.environment import set_up
set_up()
import sys, urllib.request
import httpx, requests
urllib.request.urlopen(sys.argv[1], timeout=10).read()
httpx.get(sys.argv[1], timeout=10).raise_for_status()
requests.get(sys.argv[1], timeout=10).raise_for_status()
"""


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a small HTTP server on this machine."""
    handler = http.server.SimpleHTTPRequestHandler
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


@pytest.mark.parametrize("known", ["", "example.org", "localhost"])
def test_servers_of_this_machine_are_asked_without_a_proxy(
    empty_project: Project, page: str, known: str
) -> None:
    """Whatever library asks: MLflow takes requests, Prefect httpx, our own code urllib."""
    clone = Clone(empty_project.root)
    clone.environment |= PROXIES | {"no_proxy": known, "NO_PROXY": known}
    clone.environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    clone.python("-c", ASK, page)


@pytest.mark.parametrize("name", ["mlflow.db", "./mlflow.db", "sub/../mlflow.db"])
def test_a_relative_store_is_the_same_one_in_every_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{name}")
    project = Project(tmp_path / "elsewhere")
    found = project.mlflow_uri
    monkeypatch.chdir("/")
    assert found == project.mlflow_uri == f"sqlite:///{tmp_path}/mlflow.db"


@pytest.mark.full
def test_the_lifecycle_runs_wherever_and_however_a_user_has_set_up_the_machine(
    tmp_path: Path, keep: Keep
) -> None:
    """In a place with odd characters, inside a hook, with a relative store and dead proxies."""
    clone, hostile = clone_project(tmp_path / PLACE), tmp_path / "hostile"
    loosen_gate(clone, canaries=2)  # served over HTTP on this machine
    clone.git("config", "--unset", "user.name")
    head = clone.git("rev-parse", "HEAD")
    shop = clone.root.parent / "shop; $HOME 'of' \"mine\""
    generate_shop(shop, 120, seed=0)
    hostile.mkdir()
    clone.environment |= make_hostile(hostile) | PROXIES
    clone.environment["MLFLOW_TRACKING_URI"] = "sqlite:///../mlflow.db"
    done, source = Counter[str](), ("--source", str(shop))
    for command in (
        ("snapshot", str(shop)),
        ("retrain",),
        ("approve", "1", "--by", "Rita Release"),
        ("promote", "1"),
        ("group", *source),
        ("evaluate", f"models:/{PRODUCTION}@champion", *source),
        ("reproduce", f"models:/{CANDIDATES}/1"),
    ):
        clone.run(*command)
        done[command[0]] += 1
    clone.environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{clone.root.parent}/mlflow.db"
    wrong = lost(clone, 1)

    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{what}: {found} instead of {wanted}")

    made = clone.client.get_model_version(CANDIDATES, "1")
    expect("author", made.tags["author"], "Ada Hostile")
    expect("commits on main", clone.git("rev-parse", "main^"), head)
    expect("a hook ran", (hostile / "a-hook-ran").exists(), False)
    expect("in the other repository", git(hostile / "other", "for-each-ref"), "")
    expect("DVC's cache in the clone", (clone.root / ".dvc/cache/files").is_dir(), True)
    beside = sorted(one.name for one in clone.root.parent.iterdir())
    expect("beside the clone", beside, sorted(["mlflow.db", "project", shop.name]))
    expect("elsewhere", {one.name for one in tmp_path.iterdir()}, {Path(PLACE).parts[0], "hostile"})
    how = (
        f"a clone at `{PLACE}`, a shop at `{shop.name}`, MLFLOW_TRACKING_URI=sqlite:///../mlflow.db"
        " and proxies that do not answer; all commands inside a hook of another repository (GIT_DIR"
        ", GIT_INDEX_FILE and their kin), under a configuration of git that signs, asks, runs hooks"
        ", changes line ends, hides the project's files and prints signatures"
    )
    after = (
        "commits by the right author on their own branches, none elsewhere; no hook ran; cache, "
        f"store and branches in their places; a reproduction of equal bytes; {CHECKED}"
    )
    keep("9-places", "git, place, store, proxies", how, dict(done), wrong, after)
    assert not wrong, wrong
