"""The record: no event is changed or removed unseen, and no model serves unseen."""

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import yaml
from catalogue import Shop
from conftest import CANDIDATES, PRODUCTION, set_params
from mlflow.tracking import MlflowClient
from prefect.logging import disable_run_logger
from registry import FIRST, NAMES, SECOND, Registry, restored

from flows.catalogue.lineage import note_grouping
from flows.download import download as download_model
from flows.history import history, mend, verified
from flows.local.git import git
from flows.promote import make_champion
from flows.registry.audit_trail import IMPACT, event_of, event_tags, note_event
from flows.registry.model_files import FOLDER
from flows.registry.policy_on_record import PolicyOnRecord, differs_here, policy_on_record
from flows.registry.production import champions_on_record
from flows.registry.remote_predict import embed_with
from flows.registry.trail_check import refuse_gaps
from flows.registry.trail_memory import FILE
from flows.registry.usable_model import usable_model
from flows.registry.versions import POLICY, policy_of, uri_of
from flows.rollback import roll_back, told
from flows.status import status
from ml.catalogue.versions import Version
from ml.core.errors import UserError

pytest_plugins = ["registry"]  # the fixtures `lived` and `registry`


def faults(registry: Registry) -> str:
    """What `variants history --verify` says; empty if the audit trail is whole."""
    whole, words = verified(registry.project)
    return "" if whole else words


def keys(client: MlflowClient, *, last: bool) -> list[tuple[str, str]]:
    """Model and tag of every event; those that no other names only with `last`."""
    found = []
    for name in (CANDIDATES, PRODUCTION):
        tags = sorted(event_tags(client, name))
        found += [(name, key) for key in (tags if last else tags[:-1])]
    return found


def remove(client: MlflowClient, name: str, key: str) -> None:
    client.delete_registered_model_tag(name, key)


def change(client: MlflowClient, name: str, key: str) -> None:
    event = json.loads(event_tags(client, name)[key])
    client.set_registered_model_tag(name, key, json.dumps(event | {"by": "Mallory"}))


def spoil(client: MlflowClient, name: str, key: str) -> None:
    client.set_registered_model_tag(name, key, "{")


@pytest.mark.parametrize("does", [remove, change, spoil])
def test_any_event_that_is_changed_or_removed_is_named_and_put_back_as_it_was(
    registry: Registry, does: Callable[[MlflowClient, str, str], None]
) -> None:
    client = registry.client
    assert not faults(registry)  # this clone remembers the events from here on
    for name, key in keys(client, last=True):
        before = event_tags(client, name)
        does(client, name, key)
        event = event_of(before[key])
        assert event is not None
        assert f"({event['what']} of {event['version']})" in faults(registry), (name, key)
        assert any("is not whole" in one["state"] for one in status(registry.project)["problems"])
        with pytest.raises(UserError, match="is not whole"):
            refuse_gaps(registry.project, client, NAMES)
        assert "1 events were put back" in mend(registry.project, True, "", "", "")
        assert event_tags(client, name) == before
        assert not faults(registry)


@pytest.mark.parametrize("does", [remove, change])
def test_a_clone_that_remembers_nothing_sees_the_gap_and_a_person_can_accept_it(
    registry: Registry, does: Callable[[MlflowClient, str, str], None]
) -> None:
    client, memory = registry.client, registry.project.room / FILE
    own = [(name, key) for name, key in keys(client, last=False)]
    copies = set(event_tags(client, CANDIDATES)) & set(event_tags(client, PRODUCTION))
    for name, key in own:
        if key in copies:  # the other registered model holds it too
            continue
        does(client, name, key)
        memory.unlink(missing_ok=True)
        words = faults(registry)
        assert "was changed or removed" in words
        start = words.split("--accept ")[1].split()[0]
        with pytest.raises(UserError, match="needs a reason"):
            mend(registry.project, False, start, " ", "Ada")
        assert "Ada knows of it" in mend(registry.project, False, start, "a wrong click", "Ada")
        assert not faults(registry), (name, key)
        gap = history(registry.project)[-1]
        assert (gap["what"], gap["by"], gap["comment"]) == ("gap", "Ada", "a wrong click")
        registry = restored(registry.project)


def test_a_promotion_that_only_the_candidates_still_hold_is_missed_in_production(
    registry: Registry,
) -> None:
    (registry.project.room / FILE).unlink(missing_ok=True)
    key = sorted(event_tags(registry.client, PRODUCTION))[-1]
    remove(registry.client, PRODUCTION, key)
    assert f"'{CANDIDATES}' keeps the event" in faults(registry)
    mend(registry.project, True, "", "", "")
    assert champions_on_record(registry.client, NAMES)[0] == "2"


def test_an_event_that_somebody_adds_by_hand_counts_as_forged(registry: Registry) -> None:
    event = {"what": "approval", "by": "Rita", "version": f"models:/{CANDIDATES}/3"}
    event |= {"at": "2099-01-01T00:00:00.000+00:00"}
    key = "event.20990101T000000000000.00"
    registry.client.set_registered_model_tag(CANDIDATES, key, json.dumps(event))
    assert "was added by hand" in faults(registry)


def test_events_that_are_written_at_once_make_no_gap(registry: Registry) -> None:
    version = registry.version(CANDIDATES, 3)

    def approve(number: int) -> object:
        return note_event(registry.client, version, "approval", f"person {number}")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(approve, range(16)))
    approve(16)
    assert not faults(registry)
    for name, key in keys(registry.client, last=False):
        if "person" in event_tags(registry.client, name)[key]:
            remove(registry.client, name, key)
            assert faults(registry)
            mend(registry.project, True, "", "", "")
    assert not faults(registry)


def press_promote(registry: Registry) -> str:
    """What MLflow's button "Promote model" and the dialog of aliases do to a refused candidate."""
    client = registry.client
    client.set_model_version_tag(CANDIDATES, "3", "gate", "refused")
    copied = client.copy_model_version(f"models:/{CANDIDATES}/3", PRODUCTION)
    client.set_registered_model_alias(PRODUCTION, "champion", copied.version)
    return str(copied.version)


def test_a_champion_that_nobody_promoted_is_an_event_a_problem_and_is_refused(
    registry: Registry,
) -> None:
    assert usable_model(registry.project, "") == SECOND
    number = press_promote(registry)
    for model in ("", f"models:/{PRODUCTION}@champion", f"{PRODUCTION}@champion"):
        with pytest.raises(UserError, match="nobody promoted it here"):
            usable_model(registry.project, model)
        with pytest.raises(UserError, match="nobody promoted it here"):
            download_model(registry.project, model, registry.project.room / "copy")
    for _ in range(2):
        moved = [one for one in history(registry.project) if one["what"] == "moved"]
        assert [one["version"] for one in moved] == [f"models:/{PRODUCTION}/{number}"]
        assert moved[0]["replaced"] == "2"
        assert "noticed by" in moved[0]["comment"]
        states = [one["state"] for one in status(registry.project)["problems"]]
        assert any(f"{PRODUCTION}/{number} serves, but nobody promoted it" in one for one in states)
    assert roll_back("a wrong button", by="Rolf") == {
        "model": SECOND,
        "replaced": number,
        "impact": "",
    }
    assert usable_model(registry.project, "") == SECOND
    assert not faults(registry)


def test_a_rollback_tells_how_many_products_move_as_the_gate_measured_it_for_the_promotion(
    registry: Registry,
) -> None:
    version, moves = registry.version(PRODUCTION, 2), "3.1 % of 2,000 products"
    facts = {"candidate": f"models:/{CANDIDATES}/2", "replaced": "1", IMPACT: moves}
    note_event(registry.client, version, "promotion", "Rita", also=CANDIDATES, **facts)
    there = roll_back("people complain", by="Rolf")
    assert there == {"model": FIRST, "replaced": "2", "impact": moves}
    assert f"{moves} move" in told(there)
    assert history(registry.project)[-1][IMPACT] == moves
    back = roll_back("it was the light", to="2", by="Rolf")  # just as many
    assert back["impact"] == moves
    assert not faults(registry)


def test_a_rollback_that_the_gate_has_not_measured_says_so_and_how_to_know(
    registry: Registry,
) -> None:
    words = told(roll_back("people complain", by="Rolf"))
    assert "how many products move is not known" in words
    assert "variants group" in words
    assert IMPACT not in history(registry.project)[-1]


def test_a_passed_candidate_is_told_of_the_wrong_champion_and_is_promoted_after_the_repair(
    registry: Registry,
) -> None:
    passed = registry.new()
    press_promote(registry)
    policy, client = policy_of(registry.project), registry.client
    with (
        pytest.raises(UserError, match=r"moved the alias by hand.*rollback --reason"),
        disable_run_logger(),
    ):
        make_champion(registry.project, client, policy, passed)
    roll_back("a wrong button", by="Rolf")
    with disable_run_logger():
        assert make_champion(registry.project, client, policy, passed).run_id == passed.run_id


def test_a_policy_that_warns_lets_such_a_champion_be_used(registry: Registry) -> None:
    number, file = press_promote(registry), registry.project.root / POLICY
    strict = file.read_text()
    file.write_text(yaml.safe_dump(yaml.safe_load(strict) | {"record": "warn"}))
    try:
        assert usable_model(registry.project, "") == f"models:/{PRODUCTION}/{number}"
    finally:
        file.write_text(strict)


def test_where_nothing_was_ever_promoted_a_rollback_takes_the_alias_away(
    registry: Registry,
) -> None:
    client = registry.client
    client.delete_registered_model(PRODUCTION)
    client.delete_registered_model(CANDIDATES)
    registry.new()
    client.create_registered_model(PRODUCTION)
    copied = client.copy_model_version(f"models:/{CANDIDATES}/1", PRODUCTION)
    client.set_registered_model_alias(PRODUCTION, "champion", copied.version)
    assert roll_back("a wrong button", by="Rolf") == {
        "model": "none",
        "replaced": "1",
        "impact": "",
    }
    assert not client.get_registered_model(PRODUCTION).aliases
    assert [one["by"] for one in history(registry.project)][-1] == "Rolf"


def test_a_rollback_that_died_is_no_move_outside_of_the_record(registry: Registry) -> None:
    version = registry.version(PRODUCTION, 1)
    facts = {"replaced": "2", "comment": "complaints"}
    note_event(registry.client, version, "rollback", "Rolf", also=CANDIDATES, **facts)
    assert not [one for one in history(registry.project) if one["what"] == "moved"]
    with pytest.raises(UserError, match="or a rollback died"):
        usable_model(registry.project, "")
    assert roll_back("complaints", by="Rolf")["model"] == FIRST


def change_weights(registry: Registry, number: int) -> str:
    """Changes one byte of a candidate's model; returns the name of the file."""
    file = registry.files(number) / FOLDER / "encoder.safetensors"
    file.write_bytes(file.read_bytes() + b"0")
    return f"changed: {FOLDER}/encoder.safetensors"


def add_code(registry: Registry, number: int) -> str:
    """Adds a module to a candidate's model; returns the name of the file."""
    file = registry.files(number) / "code/ml/helper.py"
    file.parent.mkdir(parents=True)
    file.write_text("import os")
    return "added: code/ml/helper.py"


def remove_file(registry: Registry, number: int) -> str:
    """Removes a file that no check lists; returns its name."""
    (registry.files(number) / "notes.txt").unlink()
    return "gone: notes.txt"


@pytest.mark.parametrize("does", [change_weights, add_code, remove_file])
def test_a_model_whose_files_changed_after_the_decision_is_refused_by_name_everywhere(
    registry: Registry, does: Callable[[Registry, int], str]
) -> None:
    project, client, policy = registry.project, registry.client, policy_of(registry.project)
    candidate, champion = registry.version(CANDIDATES, 3), registry.version(PRODUCTION, 1)
    for number in (1, 3):
        name = does(registry, number)
    with pytest.raises(UserError, match=name) as refusal, disable_run_logger():
        make_champion(project, client, policy, candidate)
    assert f"models:/{CANDIDATES}/3 cannot be used" in str(refusal.value)
    with pytest.raises(UserError, match=name):
        roll_back("people complain", to="1", by="Rolf")
    for version in (candidate, champion):
        with pytest.raises(UserError, match=name):
            embed_with(project, uri_of(version), pd.DataFrame())
        with pytest.raises(UserError, match=name):
            download_model(project, uri_of(version), project.room / "copy")
        assert not (project.room / "copy").exists()
    # Without the run nobody knows which file it was, but the model is refused all the same.
    client.delete_run(str(candidate.run_id))
    with pytest.raises(UserError, match="not those that the gate judged"):
        embed_with(project, uri_of(candidate), pd.DataFrame())


LAX = {"gate.mode": "dry-run", "approval.approvers": 0}
STRICT = {"approval.approvers": 3}


def policy_file(registry: Registry, changes: dict[str, object], branch: str = "") -> None:
    """Changes the policy in the checkout; commits it if a branch is named, which may be new."""
    root = registry.project.root
    if branch:
        git(root, "checkout", "--quiet", "-B", branch)
    set_params(root / POLICY, changes)
    if branch:
        git(root, "commit", "--quiet", "--all", "--message", branch)


@pytest.fixture
def branched(registry: Registry) -> Iterator[Registry]:
    """The registry, and a checkout whose branches a test may change."""
    root, start = registry.project.root, registry.version_commit()
    yield registry
    git(root, "checkout", "--quiet", "--force", "-B", "main", start)


def counted(registry: Registry, branch: str, **tags: str) -> PolicyOnRecord:
    """The policy that counts for a candidate that a checkout of this branch has made."""
    for name, value in tags.items():
        registry.client.set_model_version_tag(CANDIDATES, "3", name, value)
    decided = {"branch": branch} if branch else None
    return policy_on_record(registry.project, registry.version(CANDIDATES, 3), decided)


def test_a_policy_that_nobody_committed_or_of_another_branch_waives_nothing(
    branched: Registry,
) -> None:
    git(branched.project.root, "checkout", "--quiet", "-B", "main")
    before = counted(branched, "main")
    assert (before.policy.gate.mode, before.policy.approval.approvers) == ("enforce", 1)
    policy_file(branched, LAX)
    assert counted(branched, "main") == before
    assert counted(branched, "").policy == before.policy  # HEAD was detached: the commit's counts
    assert "another one than that of main, which counts" in differs_here(branched.project, before)
    policy_file(branched, LAX, branch="lax")
    assert counted(branched, "main") == before
    assert counted(branched, "lax").policy.gate.mode == "dry-run"
    git(branched.project.root, "checkout", "--quiet", "--force", "main")
    assert not differs_here(branched.project, before)


def test_a_policy_that_its_branch_has_sharpened_since_counts_for_older_candidates(
    branched: Registry,
) -> None:
    policy_file(branched, STRICT, branch="main")
    assert counted(branched, "main").policy.approval.approvers == 3
    git(branched.project.root, "update-ref", "refs/remotes/origin/away", "main")
    assert counted(branched, "away").policy.approval.approvers == 3


@pytest.mark.parametrize("commit", ["", "--help", "HEAD~0:x", "f" * 40])
def test_a_commit_that_somebody_wrote_into_a_tag_is_neither_option_nor_trusted(
    branched: Registry, commit: str
) -> None:
    found = counted(branched, "no such branch", commit=commit)
    assert (found.where, found.commit) == ("HEAD", branched.version_commit())


def test_bytecode_that_somebody_puts_beside_the_code_is_not_loaded(registry: Registry) -> None:
    planted = registry.files(3) / "code/__pycache__/serving.pyc"
    planted.parent.mkdir(parents=True)
    planted.write_bytes(b"anything")
    folder = download_model(
        registry.project, f"models:/{CANDIDATES}/3", registry.project.room / "copy"
    )
    assert (folder / FOLDER / "grouping.json").is_file()
    assert not list(folder.rglob("*.pyc"))
    with pytest.raises(UserError, match="is not empty"):
        download_model(registry.project, f"models:/{CANDIDATES}/3", folder)
    shutil.rmtree(folder)


def test_the_history_of_a_version_that_no_event_is_about_names_those_that_events_are_about(
    registry: Registry,
) -> None:
    assert history(registry.project, FIRST)
    for named in (f"models:/{PRODUCTION}/99", "models:/colour-variants/1", f"{PRODUCTION}/1"):
        with pytest.raises(UserError, match=rf"'{PRODUCTION}' \(versions 1, 2\)") as refusal:
            history(registry.project, named)
        assert f"no event is about '{named}'" in str(refusal.value)


def test_a_grouping_is_noted_once_however_often_it_is_told(registry: Registry) -> None:
    made = Shop(0, 12).group()
    named: dict[str, object] = {"catalogue": "shop", "id": "aa11", "by": "Ada", "counts": {}}
    named |= dict.fromkeys(("model", "margin", "refresh", "anew", "source", "predecessor"), "x")
    tables = (made.products, made.means, made.changes, made.retired)
    version = Version(made.facts | named | {"changes": {"new": 4}}, *tables)
    run = note_grouping(registry.project, registry.client, version, print)
    assert run == note_grouping(registry.project, registry.client, version, print)
    other = Version(version.facts | {"id": "bb22"}, *tables)  # another store's catalogue "shop"
    assert note_grouping(registry.project, registry.client, other, print) != run
