"""A promotion or rollback that ends before any of its writes is finished by the same command.

Each is ended before its first write to the registry, before its second, and so on. The real
commands are interrupted at random moments, those that need a model in tests/test_reliability.py.
"""

import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, Keep, project_of
from faults import ENDS, INTERRUPTIONS, Command, Interruption
from mlflow.entities.model_registry import ModelVersion
from mlflow.tracking import MlflowClient
from prefect.logging import disable_run_logger
from registry import NAMES, add_candidate, add_champion, hollow_model

from flows.gate.approval import note_verdict
from flows.local.git import git
from flows.local.project import Project
from flows.promote import promote
from flows.registry.audit_trail import events
from flows.registry.tracking import connect
from flows.rollback import roll_back
from ml.core.errors import UserError

WRITES = (
    "set_model_version_tag",
    "set_registered_model_tag",
    "set_registered_model_alias",
    "copy_model_version",
)
REASON = "it groups shoes by sole"
# In the words of docs/reliability.md.
HOW = "an interruption before the first write to the registry, before the second …; then once more"
SERVES = "the old or the new champion serves at once, the new one after the second attempt"


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose first three candidates were promoted; the fourth is approved."""
    root = tmp_path_factory.mktemp("lived") / "project"
    project = project_of(root, "dvc.yaml", "params.yaml", "mlflow/promotion.yaml", ".gitignore")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = connect(project)
        client.create_registered_model(CANDIDATES)
        for number in range(1, 5):
            before = f"models:/{PRODUCTION}/{number - 1}" if number > 1 else "none"
            model = hollow_model(root / f".variants/models/{number}")
            tags = {"gate_champion": before, "commit": git(root, "rev-parse", "HEAD")}
            one = add_candidate(client, model, recipe=f"bread {number}", **tags)
            if number < 4:
                add_champion(client, one, before.rpartition("/")[2])
        note_verdict(project, "4", "approval", "Rita", "groups look right")
    shutil.copy(project.room / "mlflow.db", root.parent)
    return project


@pytest.fixture
def client(lived: Project, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(lived.root)
    monkeypatch.setattr("flows.promote.create_markdown_artifact", lambda *_, **__: None)
    return connect(lived)


def ended_early(
    lived: Project, decide: Callable[[], object], monkeypatch: pytest.MonkeyPatch
) -> Iterator[int]:
    """Ends a decision before each of its writes in turn, on a registry that is as it was.

    Yields:
        The number of writes that were done.
    """
    for done in range(100):
        # MLflow keeps connections to the store, so its content is replaced, and not the file.
        with (
            closing(sqlite3.connect(lived.root.parent / "mlflow.db")) as before,
            closing(sqlite3.connect(lived.room / "mlflow.db")) as now,
        ):
            before.backup(now)
        left = iter(range(done))
        with monkeypatch.context() as patch:
            for name in WRITES:
                patch.setattr(MlflowClient, name, limited(getattr(MlflowClient, name), left))
            try:
                decide()
            except KeyboardInterrupt:
                pass
            else:
                assert done > 4  # it has written several times
                return
        yield done


def limited(write: Callable[..., object], left: Iterator[int]) -> Callable[..., object]:
    """A method that raises KeyboardInterrupt once nothing is left."""

    def method(*arguments: object, **named: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return write(*arguments, **named)

    return method


def decisions(client: MlflowClient, what: str) -> list[tuple[str, str | None]]:
    """The promotions or rollbacks on record: the version, and what it replaced."""
    found = [one for one in events(client, NAMES) if one["what"] == what]
    return [(one["version"].rpartition("/")[2], one.get("replaced")) for one in found]


def champion(client: MlflowClient) -> str:
    return str(client.get_model_version_by_alias(PRODUCTION, "champion").version)


def test_a_rollback_is_finished_by_the_same_command_and_never_goes_one_too_far(
    lived: Project, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    ends = 0

    def decide() -> object:
        return roll_back(REASON, by="Rita")

    for done in ended_early(lived, decide, monkeypatch):
        assert champion(client) in ("2", "3"), done
        decide()
        assert champion(client) == "2", done
        assert decisions(client, "rollback") == [("2", "3")], done
        tags = client.get_model_version(PRODUCTION, "3").tags
        assert tags["rolled_back"] == REASON
        ends += 1
    after = f"{SERVES}; the rollback is on record once and goes back by one version"
    keep("2-rollback-writes", "rollback ended", HOW, {"writes of a rollback": ends}, [], after)


@pytest.mark.full
def test_a_promotion_is_finished_by_the_same_command_and_copies_once(
    lived: Project, client: MlflowClient, monkeypatch: pytest.MonkeyPatch, keep: Keep
) -> None:
    ends = 0

    def decide() -> None:
        refused = pytest.raises(UserError, match="the champion already: there is nothing")
        with disable_run_logger(), refused if on_record() else nullcontext():
            promote.fn(version="4", by="Rita")

    def on_record() -> bool:
        return decisions(client, "promotion")[3:] == [("4", "3")]

    for done in ended_early(lived, decide, monkeypatch):
        assert champion(client) in ("3", "4"), done
        decide()
        assert champion(client) == "4", done
        assert on_record(), done
        assert len(client.search_model_versions(f"name = '{PRODUCTION}'")) == 4
        ends += 1
    after = f"{SERVES}; the promotion is on record once, and its candidate copied once"
    keep("2-promotion-writes", "promotion ended", HOW, {"writes of a promotion": ends}, [], after)


@dataclass
class Hollow:
    """A clone with a snapshot and a champion that has no model.

    Attributes:
        clone: the clone.
        client: of its registry.
        snapshot: the snapshot's id.
        seconds: how long a command takes that does little.
    """

    clone: Clone
    client: MlflowClient
    snapshot: str
    seconds: float

    def candidate(self, number: int, against: str) -> ModelVersion:
        """Registers a candidate that the gate has passed against a champion."""
        model = hollow_model(self.clone.root / f".variants/models/{number}")
        facts = {"recipe": f"bread {number}", "commit": self.clone.git("rev-parse", "HEAD")}
        return add_candidate(self.client, model, gate_champion=against, **facts)


@pytest.fixture(scope="module")
def hollow(make_clone: Callable[[], Clone], shop: Path) -> Hollow:
    clone = make_clone()
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = connect(Project(clone.root))
    client.create_registered_model(CANDIDATES)
    identity = clone.run("snapshot", str(shop)).stdout.split()[-1]
    begun = time.monotonic()
    clone.run("history")
    found = Hollow(clone, client, identity, time.monotonic() - begun)
    add_champion(client, found.candidate(1, "none"), "none")
    return found


@pytest.mark.full
@pytest.mark.parametrize("how", INTERRUPTIONS, ids=lambda how: how.name)
def test_an_interrupted_snapshot_or_decision_is_finished_by_the_same_command(
    hollow: Hollow, shop: Path, keep: Keep, how: Interruption
) -> None:
    clone, client, dice = hollow.clone, hollow.client, random.Random(how.name)
    earlier = len(decisions(client, "rollback"))
    number = str(hollow.candidate(2 + earlier, f"models:/{PRODUCTION}/1").version)
    clone.run("approve", number, "--by", "Rita")
    (clone.root / "data/snapshot.dvc").unlink()
    clone.git("commit", "--quiet", "--all", "-m", "the snapshot goes")
    struck: Counter[str] = Counter()
    wrong: list[str] = []
    for twice, command in enumerate(
        (("snapshot", str(shop)), ("promote", number), ("rollback", "--reason", REASON))
    ):
        name = command[0]
        started = Command(clone, *command)
        time.sleep(dice.uniform(0.1, 0.6) * hollow.seconds)
        ended = started.interrupt(how, twice=twice == 1)
        if ended is not None:
            struck[name] += 1
            wrong += ended
        again = clone.run(*command, check=False)
        said = again.stdout + again.stderr
        print(f"{time.strftime('%T')} {how.name} in {name}: {ended}", flush=True)
        if "Traceback" in said:
            wrong.append(f"{name}: {said[-2000:]}")
        if name == "snapshot":
            if again.stdout.split()[-1:] != [hollow.snapshot] or clone.git("status", "--porcelain"):
                wrong.append(f"{name}: {said} {clone.git('status', '--porcelain')}")
        elif champion(client) != ("1" if name == "rollback" else number):
            wrong.append(f"{name}: champion {champion(client)}: {said[-2000:]}")
    if decisions(client, "promotion")[1 + earlier :] != [(number, "1")]:
        wrong.append(f"on record: {decisions(client, 'promotion')}")
    if decisions(client, "rollback")[earlier:] != [("1", number)]:
        wrong.append(f"on record: {decisions(client, 'rollback')}")
    words = f"{how.name} at a random moment, in promote with a second Ctrl-C; then once more"
    after = (
        f"{ENDS}; the snapshot has the same id and the checkout is clean; each decision is on "
        "record once and the right version serves; the versions have no model"
    )
    name = f"8-decisions-{how.name.replace(' ', '-')}"
    keep(name, f"snapshot and decisions: {how.name}", words, dict(struck), wrong, after)
    assert not wrong, wrong
    assert struck
