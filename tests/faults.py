"""Faults injected into running `variants` commands, and checks of the clone afterwards."""

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml
from conftest import CANDIDATES, PRODUCTION, Clone
from servers import Served

from flows.cli import AFTER_INTERRUPTION
from flows.local.servers import running

# The parts of a retraining: the words that it prints when the part begins, and about how many
# seconds the part lasts on a small shop.
PARTS = {
    "start": ("", 10.0),
    "snapshot": ("Beginning flow run", 7.0),
    "validate": ("Running stage 'validate'", 6.0),
    "prepare": ("Running stage 'prepare'", 8.0),
    "train": ("Running stage 'train'", 14.0),
    "embed": ("Running stage 'embed'", 5.0),
    "evaluate": ("Running stage 'evaluate'", 11.0),
    "record": ("packaging the model", 20.0),
    "register": ("model: models:/", 3.0),
    "gate": ("embeds the test pairs", 9.0),
}
# What `lost` looks at, in the words of docs/reliability.md.
CHECKED = (
    "one version each with run, branch, commit and gate's verdict; curves whole; no worktree, "
    "lock, process, half-written file or open run left; every file of DVC's cache has its hash"
)
PLACE = "a #1, [b] (c) 50 % ü/project"  # where a clone may lie
PROMISED = 5.0  # seconds within which an interrupted command ends
ENDS = (
    f"it ends within {PROMISED:.0f} s with 128 + the signal's number, says how to go on, shows no "
    "traceback, leaves no process"
)
PATIENCE = 900.0  # seconds that a busy machine may need for one minute of work


@dataclass(frozen=True)
class Interruption:
    """A way in which a person or a process manager ends a command.

    Attributes:
        number: the signal.
        group: whether it goes to the whole process group, as a terminal's Ctrl-C does.
    """

    number: signal.Signals
    group: bool = False

    @property
    def name(self) -> str:
        """The name in docs/reliability.md."""
        return f"{self.number.name} to the process group" if self.group else self.number.name

    def send(self, process: int) -> None:
        """Sends the signal, if the process still lives."""
        with suppress(ProcessLookupError):
            (os.killpg if self.group else os.kill)(process, self.number)


INTERRUPTIONS = [
    Interruption(signal.SIGINT),
    Interruption(signal.SIGINT, group=True),
    Interruption(signal.SIGTERM),
    Interruption(signal.SIGHUP),
]


class Command:
    """A `variants` command that runs in the background.

    Attributes:
        clone: the clone in which it runs.
        name: its name, such as "retrain".
        log: the file of its output.
        process: its process, in a session of its own.
    """

    def __init__(self, clone: Clone, *arguments: str) -> None:
        self.clone, self.name = clone, arguments[0]
        self.log = clone.root.parent / f"log-{time.monotonic_ns()}.txt"
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.cli", *arguments],
                cwd=clone.root,
                env=clone.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=heed_signals,
            )

    @property
    def said(self) -> str:
        """Everything it has printed so far."""
        return self.log.read_text(errors="replace")

    def reaches(self, words: str) -> bool:
        """Waits until it has printed these words.

        Returns:
            False if it ended without printing them.

        Raises:
            AssertionError: it still runs after `PATIENCE` and has not printed them.
        """
        deadline = time.monotonic() + PATIENCE
        while words not in self.said:
            if self.process.poll() is not None:
                return words in self.said
            assert time.monotonic() < deadline, f"it does not come to '{words}':\n{self.said}"
            time.sleep(0.1)
        return True

    def kill(self, *, everything: bool) -> bool:
        """Kills the command with SIGKILL.

        Args:
            everything: whether all processes that work in the clone are killed too, as in a power
                failure.

        Returns:
            False if it had ended before.
        """
        lived = self.process.poll() is None
        with suppress(ProcessLookupError):
            os.kill(self.process.pid, signal.SIGKILL)
        if everything:
            for one in working_in(self.clone.root):
                with suppress(psutil.Error):
                    one.kill()
        self.process.wait()
        return lived

    def interrupt(self, how: Interruption, *, twice: bool) -> list[str] | None:
        """Interrupts the command once its own code runs, and looks at how it ends.

        Args:
            how: the signal.
            twice: whether Ctrl-C follows a moment later, as of a person who is in a hurry.

        Returns:
            What was not as promised; None if it had ended before.
        """
        watcher = psutil.Process(self.process.pid)
        while self.process.poll() is None and not watcher.children():
            time.sleep(0.02)  # Python and the command line are still being loaded
        if self.process.poll() is not None:
            return None
        begun = time.monotonic()
        how.send(self.process.pid)
        if twice:
            time.sleep(0.1)
            Interruption(signal.SIGINT, how.group).send(self.process.pid)
        code = self.process.wait(timeout=PATIENCE)
        took = time.monotonic() - begun
        if code == 0 and "interrupted (" not in self.said:
            return None
        wrong = []
        if code != 128 + how.number and not (twice and code == 128 + signal.SIGINT):
            wrong.append(f"exit code {code}")
        if took > PROMISED:
            wrong.append(f"it ended after {took:.1f} s")
        if f"interrupted ({how.number.name}): {AFTER_INTERRUPTION[self.name]}" not in self.said:
            wrong.append("it does not say how to go on")
        if "Traceback" in self.said:
            wrong.append(f"traceback: {self.said[-3000:]}")
        while (left := left_by(self.clone)) and time.monotonic() < begun + PROMISED:
            time.sleep(0.1)
        wrong += [f"left running: {words}" for words in left]
        return [f"{self.name}, {how.name}: {words}" for words in wrong]

    def ends(self) -> str:
        """Waits for its end and returns what it printed.

        Raises:
            AssertionError: it exited with an error.
        """
        code = self.process.wait(timeout=PATIENCE)
        assert code == 0, f"exited with {code}:\n{self.said}"
        return self.said


def heed_signals() -> None:
    """Lets a new process heed signals that the tests' own process may ignore, as nohup asks for."""
    for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(one, signal.SIG_DFL)


def working_in(folder: Path) -> list[psutil.Process]:
    """The processes whose current folder is this folder or below it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder):
                found.append(process)
    return found


def left_by(clone: Clone) -> list[str]:
    """The command lines of all processes that commands of a clone have started, wherever they work.

    The commands' environment, which what they start inherits, names the clone.
    """
    found = working_in(clone.root)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.environ().get("PYTHONPATH") == str(clone.root):
                found.append(process)
    lines = []
    for process in set(found):
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()) or process.name())
    return lines


def kill_within(clone: Clone, part: str, dice: random.Random, *arguments: str) -> bool:
    """Starts a command and kills it at a random moment of a part.

    Args:
        clone: the clone in which it runs.
        part: a key of `PARTS`.
        dice: the generator of the moment, and of what is killed.
        arguments: the arguments of the command.

    Returns:
        False if the command ended before it was killed, or never reached the part.
    """
    command = within(clone, part, dice, *arguments)
    return command is not None and command.kill(everything=dice.random() < 0.5)


def within(clone: Clone, part: str, dice: random.Random, *arguments: str) -> Command | None:
    """Starts a command and waits for a random moment of a part.

    Args:
        clone, part, dice, arguments: as of `kill_within`.

    Returns:
        The command; None if it ended without reaching the part.
    """
    words, lasts = PARTS[part]
    command = Command(clone, *arguments)
    if not command.reaches(words):
        command.ends()
        return None
    time.sleep(dice.uniform(0, lasts))
    return command


def lost(clone: Clone, versions: int) -> list[str]:
    """Lists everything that is missing or left over in a clone; the list should be empty.

    Args:
        clone: the clone.
        versions: number of different retrainings that were asked for.
    """
    wrong: list[str] = []

    def expect(what: str, found: object, wanted: object) -> None:
        if found != wanted:
            wrong.append(f"{what}: {found} instead of {wanted}")

    client = clone.client
    candidates = client.search_model_versions(f"name = '{CANDIDATES}'")
    production = client.search_model_versions(f"name = '{PRODUCTION}'")
    expect("candidates", len(candidates), versions)
    newest = max((int(one.version) for one in candidates), default=0)
    challenger = client.get_model_version_by_alias(CANDIDATES, "challenger")
    expect("challenger", int(challenger.version), newest)
    branches = clone.git(
        "branch", "--list", "retrain/*", "--format=%(refname:short) %(objectname)"
    ).splitlines()
    expect(
        "branches",
        sorted(branches),
        sorted(f"{one.tags['branch']} {one.tags['commit']}" for one in candidates),
    )
    expect("worktrees", len(clone.git("worktree", "list").splitlines()), 1)
    expect("checkout", clone.git("status", "--porcelain"), "")
    status = clone.status()
    expect("runs alive or dead", (status["worktrees"], status["dead"]), ([], []))
    expect("processes", [one.pid for one in working_in(clone.root)], [])
    room = clone.root / ".variants"
    expect("beside worktrees", [one.name for one in (room / "worktrees").iterdir()], [])
    expect("half-written", [str(one) for one in room.rglob("*.part")], [])
    experiment = client.get_experiment_by_name(PRODUCTION)
    assert experiment is not None
    ended = {
        one.info.run_id: one.info.status for one in client.search_runs([experiment.experiment_id])
    }
    for one in candidates:
        expect(f"run of version {one.version}", ended.pop(str(one.run_id), None), "FINISHED")
        expect(
            f"gate of version {one.version}", one.tags.get("gate") in ("passed", "refused"), True
        )
        for curve in ("loss", "dev_block_ap"):
            points = client.get_metric_history(str(one.run_id), f"epoch.{curve}")
            steps = [point.step for point in points]
            expect(f"{curve} of version {one.version}", steps, sorted(set(steps)))
    expect("other runs", set(ended.values()) - {"KILLED"}, set())
    for one in production:
        expect(
            f"tag model-v{one.version}",
            clone.git("rev-parse", f"model-v{one.version}"),
            one.tags["commit"],
        )
    expect("damaged in DVC's cache", damaged(clone.root / ".dvc/cache/files/md5"), [])
    return wrong


def damaged(cache: Path) -> list[str]:
    """The files of a DVC cache whose content has another hash than their name."""
    return [
        str(file)
        for file in cache.rglob("*")
        if file.is_file()
        and re.fullmatch(r"[0-9a-f]{30}(\.dir)?", file.name)
        and hashlib.md5(file.read_bytes()).hexdigest()
        != file.parent.name + file.name.removesuffix(".dir")
    ]


def locked(clone: Clone, version: int) -> object:
    """The content of a candidate's dvc.lock: the hashes of all inputs and outputs of its stages."""
    commit = clone.client.get_model_version(CANDIDATES, str(version)).tags["commit"]
    return yaml.safe_load(clone.git("show", f"{commit}:dvc.lock"))


class Server:
    """A server that can be stopped and started again on the same data."""

    def __init__(self, served: Served, log: Path, environment: dict[str, str]) -> None:
        self.start = lambda: running(served.command, log, environment, served.ready)
        self.context = self.start()
        self.process = self.context.__enter__()

    @contextmanager
    def away(self, seconds: float) -> Iterator[None]:
        """Kills the server for the block and for at least `seconds`, then starts it again."""
        back = time.monotonic() + seconds
        self.stop()
        yield
        time.sleep(max(0.0, back - time.monotonic()))
        self.context = self.start()
        self.process = self.context.__enter__()

    def stop(self) -> None:
        """Kills the server, and all processes that it started, with SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.context.__exit__(None, None, None)
