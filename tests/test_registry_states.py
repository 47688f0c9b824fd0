"""The registry as people leave it: each state is named with its mend, and the lifecycle goes on.

Nothing here asks a model anything, so the gate's part is played by `Registry.new`: it notes a
decision against the champion that the gate would compare with. tests/test_registry_lives.py lets
the real commands do the same.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import CANDIDATES, PRODUCTION, Keep
from desk_browser import Visitor, flat
from prefect.logging import disable_run_logger
from registry import (
    FIRST,
    NAMES,
    SECOND,
    Registry,
    hollow_model,
    restored,
)

from flows.desk.app import desk_app
from flows.desk.settings import Settings
from flows.evaluate import find_judged
from flows.gate.approval import note_verdict
from flows.gate.standing import approval_of
from flows.history import history
from flows.local.project import Project
from flows.promote import make_champion
from flows.registry.audit_trail import note_event
from flows.registry.champion_to_beat import champion_to_beat
from flows.registry.experiment import EXPERIMENT, open_experiment
from flows.registry.production import copy_to_production
from flows.registry.versions import policy_of, uri_of
from flows.retrain import find_made
from flows.rollback import roll_back
from flows.status import status
from ml.core.errors import UserError
from ml.core.params import load_params
from ml.evaluate.params import EvaluateParams

pytest_plugins = ["registry"]  # the fixtures `lived` and `registry`


@dataclass
class State:
    """What a person has done.

    Attributes:
        does: does it.
        says: words of the problem that `variants status` names, and the version that it names.
        mend: the command that it names, or other words.
        beats: the champion that a candidate has to beat then.
        back: the version that `variants rollback` goes to, or words of its refusal.
    """

    does: Callable[[Registry], object]
    says: tuple[str, str]
    mend: str
    beats: str = SECOND
    back: str = FIRST


def collect(registry: Registry, run: str) -> None:
    """Removes a deleted run for good, as `mlflow gc` does."""
    registry.client._tracking_client.store._hard_delete_run(run)  # type: ignore[attr-defined]


def delete_run(registry: Registry, name: str, number: int, *, for_good: bool) -> None:
    run = str(registry.version(name, number).run_id)
    registry.client.delete_run(run)
    if for_good:
        collect(registry, run)


def delete_experiment(registry: Registry) -> None:
    experiment = registry.client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    registry.client.delete_experiment(experiment.experiment_id)


def point(registry: Registry, name: str, alias: str, number: int) -> None:
    registry.client.set_registered_model_alias(name, alias, str(number))


def point_to_copy(registry: Registry) -> None:
    """Lets a copy of the third candidate serve, past approval and promotion."""
    copied = copy_to_production(registry.client, NAMES, registry.version(CANDIDATES, 3))
    point(registry, PRODUCTION, "champion", int(copied.version))


def register_by_hand(registry: Registry, name: str, alias: str = "") -> None:
    """Registers a folder of foreign files, without a run and without our tags."""
    foreign = registry.project.room / "foreign"
    foreign.mkdir(exist_ok=True)
    (foreign / "MLmodel").write_text("flavors: {}\n")
    version = registry.client.create_model_version(name, str(foreign))
    if alias:
        point(registry, name, alias, int(version.version))


def tag(registry: Registry, name: str, number: int, key: str, value: str) -> None:
    registry.client.set_model_version_tag(name, str(number), key, value)


def spoil_event(registry: Registry) -> None:
    registry.client.set_registered_model_tag(PRODUCTION, "event.20260101T000000.00", "nonsense {")


STATES = {
    "the champion's run is deleted": State(
        lambda one: delete_run(one, PRODUCTION, 2, for_good=False),
        ("the run of models:/color-variants/2 was deleted", SECOND),
        "mlflow runs restore --run-id",
    ),
    "the champion's run is collected": State(
        lambda one: delete_run(one, PRODUCTION, 2, for_good=True),
        ("the run of models:/color-variants/2 was deleted for good", SECOND),
        "nothing has to be done",
    ),
    "a candidate's run is collected": State(
        lambda one: delete_run(one, CANDIDATES, 3, for_good=True),
        ("was deleted for good", f"models:/{CANDIDATES}/3"),
        "still count",
    ),
    "the experiment is deleted": State(
        delete_experiment,
        ("the experiment 'color-variants' was deleted", ""),
        "mlflow experiments restore --experiment-id",
    ),
    "the production model is deleted": State(
        lambda one: one.client.delete_registered_model(PRODUCTION),
        ("the production model 'color-variants' was deleted", SECOND),
        "`variants promote 2`",
        beats="none",
        back="no champion",
    ),
    "the production model is renamed": State(
        lambda one: one.client.rename_registered_model(PRODUCTION, "mine"),
        ("the production model 'color-variants' was renamed to 'mine'", f"models:/{PRODUCTION}"),
        "rename_registered_model('mine', 'color-variants')",
        beats="none",
        back="no champion",
    ),
    "the candidates are deleted": State(
        lambda one: one.client.delete_registered_model(CANDIDATES),
        (
            "the candidates' model 'color-variants-candidates' was deleted",
            f"models:/{CANDIDATES}/2",
        ),
        "`variants retrain` makes a new one",
    ),
    "the candidates are renamed": State(
        lambda one: one.client.rename_registered_model(CANDIDATES, "mine"),
        ("was renamed to 'mine'", f"models:/{CANDIDATES}"),
        "rename_registered_model('mine', 'color-variants-candidates')",
    ),
    "the champion is an earlier one, moved by hand": State(
        lambda one: point(one, PRODUCTION, "champion", 1),
        ("models:/color-variants/1 serves, which was the champion once", FIRST),
        "`variants rollback --reason WHY`",
        beats=FIRST,
        back=SECOND,
    ),
    "the champion is a copy that nobody promoted": State(
        point_to_copy,
        ("models:/color-variants/3 serves, but nobody promoted it", f"models:/{PRODUCTION}/3"),
        "`variants rollback --reason WHY`",
        beats=f"models:/{PRODUCTION}/3",
        back=SECOND,
    ),
    "the champion is a folder of foreign files": State(
        lambda one: register_by_hand(one, PRODUCTION, "champion"),
        ("models:/color-variants/3 serves, but its files are gone", f"models:/{PRODUCTION}/3"),
        "`variants rollback --to 2 --reason WHY`",
        back=SECOND,
    ),
    "a candidate is registered by hand": State(
        lambda one: register_by_hand(one, CANDIDATES, "challenger"),
        ("models:/color-variants-candidates/4 was registered by hand", f"models:/{CANDIDATES}/4"),
        "`variants retrain` makes candidates that can",
    ),
    "the alias champion is removed": State(
        lambda one: one.client.delete_registered_model_alias(PRODUCTION, "champion"),
        ("nothing serves, since somebody has removed the alias", f"models:/{PRODUCTION}@champion"),
        "`variants rollback --to 2 --reason WHY`",
        back=SECOND,
    ),
    "the champion's version is deleted": State(
        lambda one: one.client.delete_model_version(PRODUCTION, "2"),
        ("nothing serves, since somebody has deleted models:/color-variants/2", PRODUCTION),
        "`variants rollback --to 1 --reason WHY`",
        beats=FIRST,
        back="'models:/color-variants/2' does not exist",
    ),
    "the champion's files are gone": State(
        lambda one: shutil.rmtree(one.files(2)),
        ("models:/color-variants/2 serves, but its files are gone", SECOND),
        "`variants rollback --to 1 --reason WHY`",
        beats=FIRST,
    ),
    "all champions' files are gone": State(
        lambda one: [shutil.rmtree(one.files(number)) for number in (1, 2)],
        ("models:/color-variants/2 serves, but its files are gone", SECOND),
        "which the gate judges like the first",
        beats="none",
        back="models:/color-variants/1 cannot serve: its files are gone",
    ),
    "the earlier champion's files are gone": State(
        lambda one: shutil.rmtree(one.files(1)),
        ("the model of models:/color-variants/1 cannot be used", FIRST),
        "restore the files from a backup",
        back="models:/color-variants/1 cannot serve: its files are gone",
    ),
    "the earlier champion's version is deleted": State(
        lambda one: one.client.delete_model_version(PRODUCTION, "1"),
        ("", ""),
        "",
        back="'models:/color-variants/1' does not exist",
    ),
    "the alias challenger is moved": State(
        lambda one: point(one, CANDIDATES, "challenger", 1),
        ("points to version 1, but the newest candidate is version 3", CANDIDATES),
        "`variants approve 3`",
    ),
    "the alias challenger is removed": State(
        lambda one: one.client.delete_registered_model_alias(CANDIDATES, "challenger"),
        ("is gone, but the newest candidate is version 3", CANDIDATES),
        "`variants retrain` sets the alias again",
    ),
    "a tag says that the gate refused": State(
        lambda one: tag(one, CANDIDATES, 3, "gate", "refused"),
        ("its tag `gate` says refused", f"models:/{CANDIDATES}/3"),
        "lets the gate decide anew",
    ),
    "an event cannot be read": State(
        spoil_event,
        ("the tag event.20260101T000000.00", f"models:/{PRODUCTION}"),
        "correct it on MLflow's page",
    ),
}


def goes_on(registry: Registry, state: State) -> None:
    """Holds that status and the desk name a state, and that the next candidate is promoted."""
    project, client = registry.project, registry.client
    state.does(registry)
    found = json.loads(json.dumps(status(project)))["problems"]
    words, version = state.says
    named = [one for one in found if words in one["state"] and version in one["version"]]
    assert named or not words, found
    assert not named or state.mend in named[0]["mend"], found
    history(project)
    rita = Visitor(desk_app(project, Settings()), "Rita")
    assert rita.get("/release").status_code == 200
    assert words in flat(rita.get("/release/problems").text)
    assert rita.get("/release/rollback").status_code == 200
    assert champion_to_beat(client, NAMES).uri == state.beats

    newest, policy = registry.new(), policy_of(project)
    note_verdict(project, str(newest.version), "approval", "Rita", "looks right")
    assert approval_of(client, policy, newest).verdict == "approved"
    with disable_run_logger():
        promoted = make_champion(project, client, policy, newest)
    facts = {"candidate": uri_of(newest), "replaced": promoted.tags["replaced"]}
    note_event(client, promoted, "promotion", "Rita", also=CANDIDATES, **facts)
    now = status(project)
    assert now["champion"] == str(promoted.version)
    assert not [one for one in now["problems"] if "serves" in one["state"]], now["problems"]


def goes_back(registry: Registry, state: State) -> None:
    """Holds that a rollback goes to the champion on record, or says why it does not."""
    state.does(registry)
    if not state.back.startswith("models:/") or "cannot" in state.back:
        with pytest.raises(UserError, match=state.back):
            roll_back("people complain", by="Rolf")
        return
    assert roll_back("people complain", by="Rolf")["model"] == state.back
    served = registry.client.get_model_version_by_alias(PRODUCTION, "champion")
    assert uri_of(served) == state.back
    events = history(registry.project)
    assert (events[-1]["what"], events[-1]["version"]) == ("rollback", state.back)


@pytest.mark.parametrize(
    "name",
    [
        "the champion's run is collected",
        "the production model is renamed",
        "the champion is a copy that nobody promoted",
        "the champion's files are gone",
    ],
)
def test_status_names_the_state_and_its_mend_and_the_lifecycle_goes_on(
    registry: Registry, name: str
) -> None:
    goes_on(registry, STATES[name])


@pytest.mark.parametrize(
    "name", ["the alias champion is removed", "the earlier champion's files are gone"]
)
def test_a_rollback_goes_to_the_champion_on_record_or_says_why_not(
    registry: Registry, name: str
) -> None:
    goes_back(registry, STATES[name])


@pytest.mark.full
def test_every_state_is_named_and_survived(registry: Registry, lived: Project, keep: Keep) -> None:
    wrong = []
    for name, state in STATES.items():
        for check in (goes_on, goes_back):
            try:
                check(restored(lived), state)
            except (Exception, pytest.fail.Exception) as error:
                wrong.append(f"{name}: {check.__name__}: {error!r}")
    assert not wrong, "\n".join(wrong)
    how = (
        "what people do with MLflow's page and commands to a registry with three candidates, two "
        "of them promoted; then `variants status`, a new candidate, its approval and promotion, "
        "and, on the registry as it was left, a rollback; the gate's part is played by the test"
    )
    after = (
        "status names the state and the command that mends it; the gate compares with the champion "
        "that the audit trail names if none can serve; the new champion serves; the rollback goes "
        "to the champion on record, or is refused in words"
    )
    keep("9-registry", "the registry changed by hand", how, dict.fromkeys(STATES, 1), wrong, after)


@pytest.mark.parametrize(
    ("does", "words"),
    [
        (lambda one: register_by_hand(one, CANDIDATES, "challenger"), "has not decided about it"),
        (
            lambda one: [
                register_by_hand(one, CANDIDATES, "challenger"),
                tag(one, CANDIDATES, 4, "gate", "passed"),
            ],
            "somebody has changed one of them",
        ),
        (lambda one: tag(one, CANDIDATES, 3, "gate_champion", "none"), "somebody has changed one"),
    ],
    ids=["registered by hand", "a tag says passed", "a tag says another champion"],
)
def test_what_the_gate_did_not_decide_is_neither_approved_nor_promoted(
    registry: Registry, does: Callable[[Registry], object], words: str
) -> None:
    does(registry)
    policy = policy_of(registry.project)
    candidate = registry.client.get_model_version_by_alias(CANDIDATES, "challenger")
    with pytest.raises(UserError, match=words):
        note_verdict(registry.project, "@challenger", "approval", "Rita", "")
    with pytest.raises(UserError, match=words), disable_run_logger():
        make_champion(registry.project, registry.client, policy, candidate)


def test_a_new_candidate_with_the_number_of_a_deleted_one_is_another_model(
    registry: Registry,
) -> None:
    client, policy = registry.client, policy_of(registry.project)
    client.delete_registered_model(CANDIDATES)
    numbers = [registry.new() for _ in range(2)]
    assert [str(one.version) for one in numbers] == ["1", "2"]
    with disable_run_logger():
        promoted = make_champion(registry.project, client, policy, numbers[1])
    assert promoted.version not in ("1", "2")
    assert promoted.run_id == numbers[1].run_id


def test_a_lost_model_is_made_again_and_evaluating_it_says_what_is_lost(
    registry: Registry,
) -> None:
    said: list[str] = []
    known = find_made(registry.client, NAMES, "bread 3", said.append)
    assert known is not None
    shutil.rmtree(registry.files(3))
    assert find_made(registry.client, NAMES, "bread 3", said.append) is None
    assert "the model is made again" in said[0]
    params = load_params("evaluate", EvaluateParams, registry.project.root / "params.yaml")
    with pytest.raises(UserError, match="cannot be used: its files are gone from"):
        find_judged(registry.client, registry.project, f"models:/{CANDIDATES}/3", params)


def test_a_deleted_experiment_is_restored_with_a_word(registry: Registry) -> None:
    said: list[str] = []
    before = open_experiment(registry.project, registry.client, said.append)
    assert not said
    delete_experiment(registry)
    assert open_experiment(registry.project, registry.client, said.append) == before
    assert "was deleted in MLflow: it is restored" in said[0]
    assert registry.client.create_run(before)


def test_a_deleted_logged_model_is_named_before_its_files_are_collected(
    registry: Registry,
) -> None:
    client = registry.client
    experiment = open_experiment(registry.project, client, print)
    logged = client.create_logged_model(experiment)
    hollow_model(Path(str(logged.artifact_location).removeprefix("file://")))
    client.create_model_version(CANDIDATES, f"models:/{logged.model_id}", tags={"recipe": "cake"})
    client.delete_logged_model(logged.model_id)
    found = [one for one in status(registry.project)["problems"] if "logged" in one["state"]]
    assert [one["version"] for one in found] == [f"models:/{CANDIDATES}/4"]
    assert "`mlflow gc` removes it for good" in found[0]["mend"]
