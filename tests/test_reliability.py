"""Many faults of every kind: nothing is lost and nothing is left over.

The models have the same bytes as those of an undisturbed run.
"""

import json
import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, Keep, clone_project, loosen_gate, set_params
from faults import (
    CHECKED,
    ENDS,
    INTERRUPTIONS,
    PARTS,
    Command,
    Interruption,
    Server,
    kill_within,
    locked,
    lost,
    within,
)
from servers import mlflow_served, of_its_own, prefect_served

pytestmark = pytest.mark.full

LIVES = 6  # retrainings, each of which is killed once in every part
OUTAGES = 10  # of each server
SECONDS_AWAY = 60.0
AT_ONCE, ROUNDS = 8, 3


@pytest.fixture
def clone(make_clone: Callable[[], Clone]) -> Clone:
    """A clone whose training takes some seconds and passes the gate."""
    return slow_enough(make_clone())


def slow_enough(clone: Clone) -> Clone:
    """Commits a loose policy and a training of some seconds."""
    loosen_gate(clone)
    set_params(clone.root / "params.yaml", {"train.epochs": 12})
    clone.git("commit", "--quiet", "--all", "-m", "a training of some seconds")
    return clone


def test_a_retrain_killed_once_in_every_part_ends_in_the_bytes_of_one_that_was_not_killed(
    make_clone: Callable[[], Clone], clone: Clone, shop: Path, tmp_path: Path, keep: Keep
) -> None:
    command = ("retrain", "--source", str(shop))
    clone.run(*command)
    wanted, wrong = locked(clone, 1), lost(clone, 1)
    assert not wrong, wrong
    kills: Counter[str] = Counter()
    for life in range(LIVES):
        killed = Clone(tmp_path / f"life-{life}")
        subprocess.run(["git", "clone", "--quiet", clone.root, killed.root], check=True)
        killed.environment = clone.environment | {"PYTHONPATH": str(killed.root)}
        dice = random.Random(life)
        for part in PARTS:
            print(f"{time.strftime('%T')} life {life}: {part}", flush=True)
            kills[part] += kill_within(killed, part, dice, *command)
        killed.run(*command)
        found = lost(killed, 1)
        if locked(killed, 1) != wanted:
            found.append("not the same bytes")
        wrong += [f"life {life}: {words}" for words in found]
        print(f"life {life}: {found or 'nothing lost'}", flush=True)
        shutil.rmtree(killed.root)
    how = (
        "SIGKILL at a random moment of the part, of the command alone or (at random) of all its "
        "processes; then the same command again"
    )
    keep("1-kills", "killed", how, dict(kills), wrong, f"equal bytes (dvc.lock); {CHECKED}")
    assert not wrong, wrong
    assert sum(kills.values()) >= 50
    assert set(kills) == set(PARTS)


@pytest.fixture(scope="module")
def undisturbed(make_clone: Callable[[], Clone], shop: Path) -> Clone:
    """A clone with a retraining that nothing disturbed. Read only."""
    clone = slow_enough(make_clone())
    clone.run("retrain", "--source", str(shop))
    assert lost(clone, 1) == []
    return clone


@pytest.mark.parametrize("how", INTERRUPTIONS, ids=lambda how: how.name)
def test_a_retrain_interrupted_in_every_part_ends_in_the_bytes_of_one_that_was_not(
    undisturbed: Clone, shop: Path, tmp_path: Path, keep: Keep, how: Interruption
) -> None:
    command = ("retrain", "--source", str(shop))
    life, dice = Clone(tmp_path / "life"), random.Random(how.name)
    subprocess.run(["git", "clone", "--quiet", undisturbed.root, life.root], check=True)
    life.environment = undisturbed.environment | {"PYTHONPATH": str(life.root)}
    struck: Counter[str] = Counter()
    wrong: list[str] = []
    for number, part in enumerate(PARTS):
        started = within(life, part, dice, *command)
        ended = started.interrupt(how, twice=number % 2 == 1) if started else None
        if ended is not None:
            struck[part] += 1
            wrong += [f"{part}: {words}" for words in ended]
        print(f"{time.strftime('%T')} {how.name} in {part}: {ended}", flush=True)
    life.run(*command)
    wrong += lost(life, 1)
    if locked(life, 1) != locked(undisturbed, 1):
        wrong.append("not the same bytes")
    words = (
        f"{how.name} at a random moment of the part, every second time with a second Ctrl-C after "
        "a tenth of a second; then the same command again"
    )
    name = f"7-retrain-{how.name.replace(' ', '-')}"
    after = f"{ENDS}; equal bytes (dvc.lock); {CHECKED}"
    keep(name, f"retrain: {how.name}", words, dict(struck), wrong, after)
    assert not wrong, wrong
    assert set(struck) == set(PARTS)


REASON = "it groups shoes by sole"


@dataclass
class Released:
    """A clone with a champion and an approved challenger, and what commands do there.

    Attributes:
        clone: read only; copy it.
        commands: the arguments of each command that is interrupted, in their order.
        outcomes: what each leaves when nothing disturbs it, see `outcome`.
        seconds: how long each takes.
    """

    clone: Clone
    commands: list[tuple[str, ...]]
    outcomes: dict[str, object]
    seconds: dict[str, float]


@pytest.fixture(scope="module")
def released(
    make_clone: Callable[[], Clone], shop: Path, tmp_path_factory: pytest.TempPathFactory
) -> Released:
    """The clone, and the commands' outcomes in an undisturbed copy of it."""
    clone = make_clone()
    loosen_gate(clone)
    for number in ("1", "2"):
        clone.run("retrain", "--source", str(shop), "--set", f"train.seed={number}")
        clone.run("approve", number, "--by", "Rita Release")
        if number == "1":
            clone.run("promote", number)
    source = ("--source", str(shop))
    found = Released(
        clone,
        [
            ("snapshot", str(shop)),
            ("evaluate", f"models:/{CANDIDATES}/1", *source, "--json"),
            ("group", *source),
            ("promote", "2"),
            ("rollback", "--reason", REASON),
        ],
        {},
        {},
    )
    copy = clone.copy(tmp_path_factory.mktemp("undisturbed") / "project")
    for command in found.commands:
        begun = time.monotonic()
        said = copy.run(*command).stdout
        found.seconds[command[0]] = time.monotonic() - begun
        found.outcomes[command[0]] = outcome(copy, command[0], said)
    return found


def outcome(clone: Clone, command: str, said: str) -> object:
    """What a command left in a clone: files, the registry, or what it printed."""
    match command:
        case "snapshot":
            commits = clone.git("rev-list", "--count", "HEAD")
            return clone.git("show", "HEAD:data/snapshot.dvc"), commits
        case "group":
            return (clone.root / ".variants/groups/groups.csv").read_bytes()
        case "evaluate":
            return json.loads(said)
        case _:
            champion = clone.client.get_model_version_by_alias(PRODUCTION, "champion")
            events = json.loads(clone.run("history", "--json").stdout)
            told = ("promotion", "rollback")
            return (
                champion.version,
                champion.tags["candidate"],
                [(one["what"], one["version"]) for one in events if one["what"] in told],
            )


@pytest.mark.parametrize("how", INTERRUPTIONS, ids=lambda how: how.name)
def test_an_interrupted_command_is_finished_by_the_same_command(
    released: Released, tmp_path: Path, keep: Keep, how: Interruption
) -> None:
    clone, dice = released.clone.copy(tmp_path / "project"), random.Random(how.name)
    struck: Counter[str] = Counter()
    wrong: list[str] = []
    for number, command in enumerate(released.commands):
        name = command[0]
        ended = None
        for share in (dice.uniform(0.1, 0.8), 0.3, 0.1):  # sooner if it was too quick
            started = Command(clone, *command)
            time.sleep(share * released.seconds[name])
            ended = started.interrupt(how, twice=number % 2 == 1)
            if ended is not None or name in ("promote", "rollback"):  # done once
                break
        if ended is not None:
            struck[name] += 1
            wrong += ended
        again = clone.run(*command, check=False)
        # What had ended just before the signal is refused as done already.
        if "Traceback" in again.stderr or (
            again.returncode and name not in ("promote", "rollback")
        ):
            wrong.append(f"{name} again: {again.stderr[-3000:]}")
        elif outcome(clone, name, again.stdout) != released.outcomes[name]:
            wrong.append(f"{name}: {outcome(clone, name, again.stdout)} afterwards")
        print(f"{time.strftime('%T')} {how.name} in {name}: {ended}", flush=True)
    wrong += lost(clone, 2)
    words = (
        f"{how.name} at a random moment of the command, every second time with a second Ctrl-C "
        "after a tenth of a second; then the same command again"
    )
    after = (
        f"{ENDS}; files, registry, audit trail and printed figures as after an undisturbed one; "
        f"{CHECKED}"
    )
    name = f"8-commands-{how.name.replace(' ', '-')}"
    keep(name, f"other commands: {how.name}", words, dict(struck), wrong, after)
    assert not wrong, wrong
    assert len(struck) >= len(released.commands) - 1  # one may have been too quick


def test_an_interrupted_reproduction_is_made_anew_by_the_same_command(
    released: Released, tmp_path: Path, keep: Keep
) -> None:
    clone, dice = released.clone.copy(tmp_path / "project"), random.Random(0)
    struck: Counter[str] = Counter()
    wrong: list[str] = []
    command = ("reproduce", f"models:/{CANDIDATES}/1", "--json")
    for number, how in enumerate(INTERRUPTIONS):
        started = Command(clone, *command)
        assert started.reaches(dice.choice(["clone", "fetch", "train", "embed", "evaluate"]))
        ended = started.interrupt(how, twice=number % 2 == 1)
        if ended is not None:
            struck[how.name] += 1
            wrong += ended
        print(f"{time.strftime('%T')} {how.name} in reproduce: {ended}", flush=True)
    verdict = json.loads(clone.run(*command).stdout)["verdict"]
    if verdict != "equal bytes":
        wrong.append(verdict)
    wrong += lost(clone, 2)
    how_done = "each signal at the beginning of a random step; then the same command again"
    after = f"{ENDS}; equal bytes; {CHECKED}"
    keep("8-reproduce", "reproduce interrupted", how_done, dict(struck), wrong, after)
    assert not wrong, wrong
    assert len(struck) == len(INTERRUPTIONS)


def test_a_promotion_killed_at_any_moment_leaves_a_champion_that_serves_and_is_finished_by_the_next(
    clone: Clone, shop: Path, keep: Keep
) -> None:
    clone.run("retrain", "--source", str(shop))
    clone.run("approve", "1", "--by", "Rita Release")
    clone.run("promote", "1")
    dice, kills, wrong = random.Random(0), Counter[str](), []
    for number in range(2, 8):
        clone.run("retrain", "--source", str(shop), "--set", f"train.seed={number}")
        clone.run("approve", str(number), "--by", "Rita Release")
        command = Command(clone, "promote", str(number))
        assert command.reaches("Beginning flow run")
        time.sleep(dice.uniform(0, 1.5))
        kills["promote"] += command.kill(everything=dice.random() < 0.5)
        champion = clone.client.get_model_version_by_alias(PRODUCTION, "champion")
        if int(champion.version) not in (number - 1, number):
            wrong.append(f"promotion {number}: champion {champion.version}")
        again = clone.run("promote", str(number), check=False)
        if again.returncode and "is the champion already" not in again.stderr:
            wrong.append(f"promotion {number}: {again.stderr}")
        champion = clone.client.get_model_version_by_alias(PRODUCTION, "champion")
        if champion.tags["candidate"] != f"models:/{CANDIDATES}/{number}":
            wrong.append(f"promotion {number}: champion from {champion.tags['candidate']}")
    wrong += lost(clone, 7)
    if len(clone.client.search_model_versions(f"name = '{PRODUCTION}'")) != 7:
        wrong.append("a version was copied twice")
    how = "SIGKILL at a random moment of `variants promote`; then the same command again"
    after = (
        "the old or the new champion serves at once, the new one after the second command, each "
        f"copied once; {CHECKED}"
    )
    keep("2-promotions", "promotion killed", how, dict(kills), wrong, after)
    assert not wrong, wrong
    assert kills["promote"] >= 4


@pytest.fixture
def servers(clone: Clone, tmp_path: Path) -> Iterator[dict[str, Server]]:
    """A real MLflow server and a real Prefect server, which the clone uses."""
    mlflow = mlflow_served(f"sqlite:///{tmp_path}/mlflow.db", tmp_path / "artifacts")
    served = {"MLflow": mlflow, "Prefect": prefect_served()}
    environment = of_its_own(tmp_path / "prefect")
    started = {
        name: Server(one, tmp_path / f"{name}.log", environment) for name, one in served.items()
    }
    clone.environment["MLFLOW_TRACKING_URI"] = served["MLflow"].address
    clone.environment["PREFECT_API_URL"] = served["Prefect"].address
    yield started
    for server in started.values():
        server.stop()


@pytest.mark.parametrize("name", ["MLflow", "Prefect"])
def test_a_server_that_is_away_for_a_minute_is_waited_for(
    clone: Clone, servers: dict[str, Server], shop: Path, keep: Keep, name: str
) -> None:
    # A command is refused if a server is away when it starts. Stages that come from the cache print
    # other words.
    words = {part: words for part, (words, _) in PARTS.items() if part not in ("start", "snapshot")}
    words |= {part: f"Task run '{part}'" for part in ("validate", "prepare")}
    parts = list(words)
    half = len(parts) // 2
    outages: Counter[str] = Counter()
    versions, wrong = 0, []
    while sum(outages.values()) < OUTAGES:
        versions += 1
        command = Command(
            clone, "retrain", "--source", str(shop), "--set", f"train.seed={versions}"
        )
        for part in (parts[versions % half], parts[half + versions % half]):
            assert command.reaches(words[part]), command.said
            with servers[name].away(SECONDS_AWAY):
                outages[part] += 1
        print(f"{time.strftime('%T')} {name}: {dict(outages)}", flush=True)
        try:
            command.ends()
        except AssertionError as error:
            wrong.append(str(error)[-1500:])
            break
    wrong += lost(clone, versions)
    how = (
        f"SIGKILL to the {name} server, started again after {SECONDS_AWAY:.0f} s on the same "
        "database"
    )
    keep(
        f"3-{name}", f"{name} away", how, dict(outages), wrong, f"the command ends well; {CHECKED}"
    )
    assert not wrong, wrong


def test_a_server_that_is_gone_for_good_costs_a_command_and_no_training(
    clone: Clone, servers: dict[str, Server], shop: Path, keep: Keep
) -> None:
    # The commands give up after seconds instead of minutes.
    clone.environment |= {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3", "PREFECT_CLIENT_MAX_RETRIES": "2"}
    wrong: list[str] = []
    for seed, (name, server) in enumerate(servers.items()):
        arguments = ("retrain", "--source", str(shop), "--set", f"train.seed={seed}")
        command = Command(clone, *arguments)
        assert command.reaches(PARTS["evaluate"][0])
        with server.away(0):
            code = command.process.wait(timeout=900)
        said = command.said
        if (
            code != 1
            or "does not answer any more" not in said
            or "the same command" not in said
            or "Traceback" in said
        ):
            wrong.append(f"{name}: exited with {code}: {said[-3000:]}")
        again = clone.run(*arguments)
        if "epoch 1" in again.stdout + again.stderr:
            wrong.append(f"{name}: it trained again")
    wrong += lost(clone, len(servers))
    how = (
        "SIGKILL to the server for good during a retraining; the same command again once there is "
        "one"
    )
    times = {f"{name} in evaluate": 1 for name in servers}
    keep(
        "4-gone",
        "server gone for good",
        how,
        times,
        wrong,
        f"clear error; nothing is trained again; {CHECKED}",
    )
    assert not wrong, wrong


def test_eight_retrains_at_once_in_one_clone_make_eight_versions_each_of_its_own_lineage(
    clone: Clone, shop: Path, keep: Keep
) -> None:
    wrong: list[str] = []
    for number in range(ROUNDS):
        seeds = range(number * AT_ONCE, (number + 1) * AT_ONCE)
        commands = [
            Command(clone, "retrain", "--source", str(shop), "--set", f"train.seed={seed}")
            for seed in seeds
        ]
        for command in commands:
            try:
                command.ends()
            except AssertionError as error:
                wrong.append(str(error)[-1500:])
    wrong += lost(clone, ROUNDS * AT_ONCE)
    made = clone.client.search_model_versions(f"name = '{CANDIDATES}'")
    seeds_made = sorted(trained_with(clone, int(one.version))["seed"] for one in made)
    if seeds_made != list(range(ROUNDS * AT_ONCE)):
        wrong.append(f"seeds {seeds_made}")
    how = (
        f"{AT_ONCE} `variants retrain` of different seeds started at once in one clone, {ROUNDS} "
        "rounds"
    )
    keep(
        "5-at-once",
        "many at once",
        how,
        {"retrains": ROUNDS * AT_ONCE},
        wrong,
        f"the lineage of each names its own seed; {CHECKED}",
    )
    assert not wrong, wrong


def trained_with(clone: Clone, version: int) -> dict[str, Any]:
    """The section `train` of params.yaml with which a candidate was trained."""
    stages: Any = locked(clone, version)
    found: dict[str, Any] = stages["stages"]["train"]["params"]["params.yaml"]["train"]
    return found


@pytest.mark.skipif(
    os.geteuid() != 0, reason="a disk of a few megabytes needs mount, and mount needs root"
)
def test_a_full_disk_gives_a_clear_error_and_the_rerun_completes(
    shop: Path, tmp_path: Path, keep: Keep
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ("retrain", "--source", str(shop))
    times: Counter[str] = Counter()
    wrong: list[str] = []
    mount = ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(disk)]
    subprocess.run(mount, check=True)
    try:
        clone = clone_project(disk / "project")
        loosen_gate(clone)
        filler = disk / "filler"
        for left in (2, 4, 8, 12, 16, 20, 24):  # megabytes
            free = shutil.disk_usage(disk).free
            filler.write_bytes(b"\0" * max(0, free - left * 2**20))
            result = clone.run(*command, check=False)
            filler.unlink()
            if result.returncode:
                times[f"{left} MB left"] += 1
                said = result.stdout + result.stderr
                if "No space left on device" not in said or "Traceback" in said:
                    wrong.append(f"{left} MB left: {said[-1500:]}")
        clone.run(*command)
        wrong += lost(clone, 1)
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
    how = (
        "the clone on a disk with so many megabytes left; then room is made, and the same command "
        "given again"
    )
    keep(
        "6-disk",
        "disk full",
        how,
        dict(times),
        wrong,
        f"“No space left on device”, without traceback; {CHECKED}",
    )
    assert not wrong, wrong
    assert times
