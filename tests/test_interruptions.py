"""An interrupted command ends at once, says how to go on, and leaves what SIGKILL leaves."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from conftest import CANDIDATES, ROOT, Clone, loosen_gate, set_params
from faults import PROMISED, Command, heed_signals, left_by, working_in

from flows.cli import AFTER_INTERRUPTION, app
from flows.local.servers import free_port
from ml.catalogue.groups_page import Looks, write_groups
from ml.core.files import replacing

SUPERVISED = """
import os, subprocess, sys, time
from flows.local.interruptions import supervise
supervise("go on like this.")
deaf = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: None); time.sleep(600)"
sleep = [sys.executable, "-c", deaf]
child = subprocess.Popen(sleep, start_new_session=True)
print(os.getpid(), child.pid, flush=True)
try:
    time.sleep(600)
except BaseException:
    time.sleep(600)  # what libraries make of a signal
"""


# A child that leaves an orphan in a session of its own and starts more and more processes.
RESTLESS = """
import os, subprocess, sys, time
from flows.local.interruptions import supervise
supervise("go on like this.")
sleep = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
quiet = "start_new_session=True, stdout=s.DEVNULL, stderr=s.DEVNULL"
leave = f"import subprocess as s; print(s.Popen({sleep}, {quiet}).pid)"
orphan = subprocess.run([sys.executable, "-S", "-c", leave], capture_output=True, text=True)
print(os.getpid(), orphan.stdout.strip(), flush=True)
while True:
    print(subprocess.Popen(sleep, start_new_session=True).pid, flush=True)
"""


def gone(process: int) -> bool:
    """Whether a process has ended; waits for it for a few seconds."""
    deadline = time.monotonic() + PROMISED
    while time.monotonic() < deadline:
        if not psutil.pid_exists(process) or psutil.Process(process).status() == "zombie":
            return True
        time.sleep(0.05)
    return False


def started(code: str = SUPERVISED, **options: object) -> tuple[subprocess.Popen[str], list[int]]:
    """A supervised command, and the process ids of its child and of what that has started."""
    command = [sys.executable, "-c", code]
    options = {"preexec_fn": heed_signals, **options}
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )  # type: ignore[call-overload]
    assert process.stdout is not None
    return process, [int(one) for one in process.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_command_and_all_that_it_started(number: signal.Signals) -> None:
    process, below = started()
    begun = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begun < PROMISED
    assert process.returncode == 128 + number
    assert said == f"\ninterrupted ({number.name}): go on like this.\n"
    assert len(below) == 2
    assert all(gone(one) for one in below)


def test_ctrl_c_to_the_process_group_reaches_a_command_once() -> None:
    process, below = started(start_new_session=True)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.count("interrupted")) == (130, 1)
    assert all(gone(one) for one in below)


def test_orphans_and_what_is_being_started_are_killed_too() -> None:
    process, below = started(RESTLESS)
    time.sleep(0.3)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    below += [int(one) for one in said.split()]
    assert len(below) > 3
    assert all(gone(one) for one in below)


@pytest.mark.parametrize("pause", [0.0, 0.02, 0.2])
def test_a_second_ctrl_c_ends_a_command_that_is_ending_and_leaves_nothing(pause: float) -> None:
    process, below = started()
    process.send_signal(signal.SIGINT)
    time.sleep(pause)
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, said = process.communicate(timeout=60)
    assert time.monotonic() - begun < PROMISED
    assert process.returncode == 130
    assert said.count("interrupted (SIGINT): go on like this.") == 1
    assert all(gone(one) for one in below)


@pytest.mark.parametrize("ending", ["time.sleep(600)", "sys.exit(3)", "pass"])
def test_temporary_files_go_however_a_command_ends(tmp_path: Path, ending: str) -> None:
    below = "import tempfile; print(tempfile.mkdtemp())"
    code = (
        "import subprocess, sys, tempfile, time; from flows.local.interruptions import supervise;"
        "supervise('go on.'); print(tempfile.mkdtemp());"
        f"subprocess.run([sys.executable, '-c', {below!r}]); print(flush=True); {ending}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heed_signals,
    )
    assert process.stdout is not None
    made = [Path(process.stdout.readline().strip()) for _ in range(2)]
    assert all(one.is_relative_to(tmp_path) for one in made)
    if "sleep" in ending:
        assert all(one.is_dir() for one in made)
        process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert list(tmp_path.iterdir()) == []


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    process, below = started(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)  # as the end of a session does to what nohup started
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=1)
    assert all(psutil.pid_exists(one) for one in below)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 143


def test_a_command_that_is_killed_takes_its_child_with_it() -> None:
    process, (child, started_by_child) = started()
    process.kill()
    process.wait()
    assert gone(child)
    psutil.Process(started_by_child).kill()  # `variants` finds such ones by their folder


@pytest.mark.parametrize(
    ("ending", "code"),
    [("sys.exit(3)", 3), ("1 / 0", 1), ("os.kill(os.getpid(), 9)", 137), ("pass", 0)],
)
def test_the_exit_code_is_the_commands(ending: str, code: int) -> None:
    begin = "import os, sys; from flows.local.interruptions import supervise; supervise('')"
    command = [sys.executable, "-c", f"{begin}; {ending}"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    assert ended.returncode == code


def test_an_interrupted_command_leaves_nothing_half_written(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", "generate", str(tmp_path / "shop")]
    process = subprocess.Popen(
        [*command, "--products", "100000"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while not list(tmp_path.iterdir()):  # it has begun to write beside the shop's place
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "interrupted (SIGTERM): no shop was written; give the same command again." in said
    assert not (tmp_path / "shop").exists()


def test_every_command_says_what_to_do_after_an_interruption() -> None:
    found = [*app.registered_commands, *app.registered_groups]
    names = {one.name or getattr(one.callback, "__name__", "") for one in found}
    servers = {"ui", "serve", "serve-groups", "desk"}  # these end by themselves
    assert names - servers == set(AFTER_INTERRUPTION)


def test_a_folder_is_there_old_or_new_whoever_is_interrupted_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "snapshot"
    folder.mkdir()
    (folder / "old").touch()

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), replacing(folder) as beside:
        beside.mkdir()
        (beside / "new").touch()
        monkeypatch.setattr("ml.core.files.shutil.rmtree", interrupted)
    assert [one.name for one in folder.iterdir()] == ["new"]


def test_groups_are_of_one_answer_whoever_is_interrupted_while_they_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("groups.parquet", "groups.csv", "groups.html")
    for name in names:
        (tmp_path / name).write_text("the earlier answer")

    def interrupted(*_: object, **content: object) -> None:
        raise KeyboardInterrupt

    products = pd.DataFrame({"product_id": ["a"], "brand": "b", "gender": "g", "article_type": "t"})
    products = products.assign(group="g", score=1.0, band="leave", problem=None, sha256=None)
    monkeypatch.setattr("ml.catalogue.groups_page.write_page", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_groups(
            products, "models:/x/1", tmp_path, Looks(np.full((1, 3), np.nan), lambda _: [])
        )
    assert {(tmp_path / name).read_text() for name in names} == {"the earlier answer"}


@pytest.mark.full
@pytest.mark.parametrize("words", ["starting", "Ctrl-C ends the pages"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_pages_end_with_their_command(
    make_clone: Callable[[], Clone], number: signal.Signals, words: str
) -> None:
    clone = make_clone()
    ports = [str(free_port()), str(free_port())]
    command = Command(clone, "ui", "--mlflow-port", ports[0], "--prefect-port", ports[1])
    assert command.reaches(words)
    time.sleep(1)
    os.kill(command.process.pid, number)
    assert command.process.wait(timeout=60) == 0
    assert "Traceback" not in command.said
    assert left_by(clone) == []


@pytest.mark.full
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_training_goes_on_from_its_checkpoint(
    make_clone: Callable[[], Clone], shop: Path, number: signal.Signals
) -> None:
    clone = make_clone()
    loosen_gate(clone)
    set_params(clone.root / "params.yaml", {"train.epochs": 12})
    clone.git("commit", "--quiet", "--all", "-m", "longer")
    command = Command(clone, "retrain", "--source", str(shop))
    assert command.reaches("epoch 3")
    begun = time.monotonic()
    os.kill(command.process.pid, number)
    assert command.process.wait(timeout=60) == 128 + number
    assert time.monotonic() - begun < PROMISED
    assert "goes on from the last stage or epoch" in command.said
    assert "Traceback" not in command.said
    assert working_in(clone.root) == []
    again = clone.run("retrain", "--source", str(shop))
    assert "goes on from its checkpoint" in again.stderr + again.stdout
    assert len(clone.client.search_model_versions(f"name = '{CANDIDATES}'")) == 1
