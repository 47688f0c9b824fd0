"""The production model has one champion, also when two people promote at the same time.

Nothing gets past the gate.
"""

import json
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, clone_project
from faults import Command
from mlflow.tracking import MlflowClient
from registry import NAMES, add_candidate, add_champion, hollow_model

from flows.registry import production
from flows.registry.audit_trail import note_event
from flows.registry.production import (
    champion_without_record,
    copy_to_production,
    move_champion,
    promoted,
    refuse_second,
)
from ml.core.errors import UserError


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a registry."""
    return f"sqlite:///{tmp_path_factory.mktemp('registry')}/mlflow.db"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the model of every version."""
    return hollow_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def client(store: str) -> MlflowClient:
    """A client of the registry, whose models were deleted."""
    client = MlflowClient(store, store)
    for model in client.search_registered_models():
        client.delete_registered_model(model.name)
    client.create_registered_model(CANDIDATES)
    return client


def test_of_two_promotions_that_would_replace_the_same_champion_the_second_is_refused(
    client: MlflowClient, model: Path
) -> None:
    first, second = [
        copy_to_production(client, NAMES, add_candidate(client, model)) for _ in range(2)
    ]
    refuse_second(client, NAMES, first)
    with pytest.raises(
        UserError, match="color-variants-candidates/1 is being promoted at this moment"
    ):
        refuse_second(client, NAMES, second)


@pytest.mark.parametrize("end", ["promoted", "dead", "of another champion"])
def test_a_copy_that_is_no_longer_under_way_stops_nobody(
    client: MlflowClient, model: Path, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = {"gate_champion": "models:/color-variants/9"} if end == "of another champion" else {}
    first = copy_to_production(client, NAMES, add_candidate(client, model, **compared))
    second = copy_to_production(client, NAMES, add_candidate(client, model))
    # It was rolled back since; otherwise the comparison with the champion would be stale.
    if end == "promoted":
        note_event(client, first, "promotion", "Rita")
    if end == "dead":
        monkeypatch.setattr(production, "PATIENCE", 0)
    refuse_second(client, NAMES, second)


def test_an_interrupted_copy_is_found_and_bears_the_gates_latest_comparison(
    client: MlflowClient, model: Path
) -> None:
    copied = copy_to_production(client, NAMES, add_candidate(client, model))
    facts = {"verdict": "passed", "champion": "models:/color-variants/9"}
    note_event(client, client.get_model_version(CANDIDATES, "1"), "decision", "gate", **facts)
    again = copy_to_production(client, NAMES, client.get_model_version(CANDIDATES, "1"))
    assert again.version == copied.version
    assert again.tags["gate_champion"] == "models:/color-variants/9"


def test_a_promotion_that_died_before_it_was_on_record_is_found(
    client: MlflowClient, model: Path
) -> None:
    one, other = add_candidate(client, model), add_candidate(client, model)
    copied = copy_to_production(client, NAMES, one)
    assert champion_without_record(client, NAMES, one) is None
    move_champion(client, NAMES, str(copied.version), {"replaced": "none"})
    found = champion_without_record(client, NAMES, one)
    assert found is not None
    assert found.version == copied.version
    assert champion_without_record(client, NAMES, other) is None
    note_event(client, copied, "promotion", "Rita")
    assert promoted(client, NAMES) == {"models:/color-variants/1"}
    assert champion_without_record(client, NAMES, one) is None


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory, store: str) -> list[Clone]:
    """Two clones with one registry, like those of two machines."""
    found = [clone_project(tmp_path_factory.mktemp("machine") / "project") for _ in range(2)]
    for clone in found:
        clone.environment["MLFLOW_TRACKING_URI"] = store
    return found


@pytest.mark.full
def test_of_two_release_managers_on_two_machines_one_promotes_and_one_is_refused(
    client: MlflowClient, model: Path, clones: list[Clone]
) -> None:
    for number in ("1", "2"):
        add_candidate(client, model)
        clones[0].run("approve", number, "--by", "Rita Release")
    commands = [
        Command(clone, "promote", number) for number, clone in zip(("1", "2"), clones, strict=True)
    ]
    codes = [command.process.wait(timeout=300) for command in commands]
    said = [command.said for command in commands]
    assert sorted(codes) == [0, 1], said
    winner, loser = codes.index(0), codes.index(1)
    assert "is being promoted" in said[loser] or "stale" in said[loser]
    champion = client.get_model_version_by_alias(PRODUCTION, "champion")
    assert champion.tags["candidate"] == f"models:/{CANDIDATES}/{winner + 1}"
    events = json.loads(clones[0].run("history", "--json").stdout)
    assert [event["candidate"] for event in events if event["what"] == "promotion"] == [
        champion.tags["candidate"]
    ]


@pytest.mark.parametrize("way", ["command", "flow"])
def test_a_rollback_brings_the_former_champion_back_with_prefect_and_without(
    client: MlflowClient, model: Path, clones: list[Clone], way: str
) -> None:
    for replaced in ("none", "1"):
        add_champion(client, add_candidate(client, model), replaced)
    if way == "command":
        away = Clone(clones[0].root)
        # No Prefect server answers there.
        away.environment = clones[0].environment | {"PREFECT_API_URL": "http://127.0.0.1:1/api"}
        away.run("rollback", "--reason", "groups shoes by sole")
    else:
        clones[0].python(
            "-c", "from flows.rollback import rollback; rollback('groups shoes by sole', 'Rolf')"
        )
    assert str(client.get_model_version_by_alias(PRODUCTION, "champion").version) == "1"
    last = json.loads(clones[0].run("history", "--json").stdout)[-1]
    assert (last["what"], last["replaced"]) == ("rollback", "2")
    assert last["comment"] == "groups shoes by sole"


def test_a_rollback_cannot_put_a_copy_that_was_never_the_champion_past_the_gate(
    client: MlflowClient, model: Path, clones: list[Clone]
) -> None:
    served = add_champion(client, add_candidate(client, model), "none")
    copy_to_production(client, NAMES, add_candidate(client, model))
    refused = clones[0].run("rollback", "--to", "2", "--reason", "mine is better", check=False)
    assert refused.returncode == 1
    assert "models:/color-variants/2 was never the champion" in refused.stderr
    assert client.get_model_version_by_alias(PRODUCTION, "champion").version == served.version
