"""Many faults of every kind: nothing is lost and nothing is left over.

The models have the same bytes as those of an undisturbed run.
"""

import os
import random
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import CANDIDATES, PRODUCTION, Clone, clone_project, loosen_gate, set_params
from faults import PARTS, Command, Server, kill_within, locked, lost
from servers import mlflow_served, of_its_own, prefect_served

from benchmarks.reliability import record

pytestmark = pytest.mark.full

LIVES = 6  # retrainings, each of which is killed once in every part
OUTAGES = 10  # of each server
SECONDS_AWAY = 60.0
AT_ONCE, ROUNDS = 8, 3
CHECKED = (
    "one version each with run, branch, commit and gate's verdict; curves whole; no worktree, "
    "lock, process, half-written file or open run left; every file of DVC's cache has its hash"
)

Keep = Callable[..., None]


@pytest.fixture
def keep(request: pytest.FixtureRequest) -> Keep:
    """A function that records a row for docs/reliability.md if `--record` is given."""
    started = time.monotonic()

    def note(
        name: str, fault: str, how: str, times: dict[str, int], wrong: list[str], after: str
    ) -> None:
        if request.config.getoption("--record"):
            record(name, fault, how, times, wrong, after, time.monotonic() - started)

    return note


@pytest.fixture
def clone(make_clone: Callable[[], Clone]) -> Clone:
    """A clone whose training takes some seconds and passes the gate."""
    found = make_clone()
    loosen_gate(found)
    set_params(found.root / "params.yaml", {"train.epochs": 12})
    found.git("commit", "--quiet", "--all", "-m", "a training of some seconds")
    return found


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
