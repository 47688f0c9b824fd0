"""Progress lines and bars show how far work is, and its speed even if a unit takes seconds."""

import io
import logging

import pytest

from flows.display.prefect_artifacts import PROGRESS, stage_log
from ml.core.progress import EVERY, progress, rate


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("ml.core.progress.time.monotonic", clock)
    monkeypatch.setattr("rich.console.monotonic", clock)
    return clock


@pytest.mark.parametrize(
    ("speed", "unit", "text"),
    [
        (1300.4, "pictures", "1,300 pictures/s"),
        (51, "pictures", "51 pictures/s"),
        (2.34, "steps", "2.3 steps/s"),
        (1, "steps", "1.0 steps/s"),
        (0.4, "steps", "2.5 s/step"),
        (1 / 90, "test sets", "90 s/test set"),
        (1 / 7200, "embeddings", "7,200 s/embedding"),
    ],
)
def test_rates_below_one_are_seconds_per_unit(speed: float, unit: str, text: str) -> None:
    assert rate(speed, unit) == text


def test_the_log_of_slow_work_gives_seconds_per_unit_and_the_flows_read_its_percentages(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train", 8, "steps") as advance:
        for _ in range(8):
            clock.now += 4 * EVERY
            advance()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "train: 12% (1 of 8 steps, 40 s/step, 280 s left)"
    assert lines[-1] == "train: 100% (8 of 8 steps, 40 s/step, 0 s left)"
    found = [PROGRESS.match(line) for line in lines]
    assert [one and int(one.group(1)) for one in found] == [12, 25, 38, 50, 62, 75, 88, 100]


def test_the_log_of_fast_work_gives_units_per_second_now_and_then(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("check pictures", 3000, "pictures") as advance:
        for _ in range(30):
            clock.now += 1
            advance(100)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert lines[0] == "check pictures: 33% (1,000 of 3,000 pictures, 100 pictures/s, 20 s left)"
    assert PROGRESS.match(lines[0])


def test_work_without_units_is_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("embed", 0, "products") as advance:
        advance(0)
    with progress("embed", 5, "products") as advance:
        clock.now += 2 * EVERY
        advance(0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("seconds", "text"), [(2.5, "2.5 s/step"), (0.02, "50 steps/s")])
def test_the_bar_shows_the_rate(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, seconds: float, text: str
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("train", 8, "steps") as advance:
        for _ in range(8):
            clock.now += seconds
            advance()
    assert text in terminal.getvalue()
    assert "8/8" in terminal.getvalue()


def test_what_an_earlier_run_did_does_not_count_for_the_speed(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("train", 100, "steps", done=60) as advance:
        clock.now += 2 * EVERY
        advance(10)
    line = capsys.readouterr().err.strip()
    assert line == "train: 70% (70 of 100 steps, 2.0 s/step, 60 s left)"


def test_a_stages_warning_is_logged_as_a_warning_with_its_further_lines(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(
        "flows.display.prefect_artifacts.get_run_logger", lambda: logging.getLogger("stage")
    )
    caplog.set_level(logging.INFO, "stage")
    log = stage_log("validate")
    for line in ("120 products", "warning: no pair comes twice", "    → remove one", "", "done"):
        log(line)
    assert [(one.levelname, one.message) for one in caplog.records] == [
        ("INFO", "120 products"),
        ("WARNING", "no pair comes twice"),
        ("WARNING", "    → remove one"),
        ("INFO", "done"),
    ]
