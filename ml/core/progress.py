"""Shows the progress of long work: a bar in a terminal, and now and then a line in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.progress
from rich.console import Console
from rich.text import Text

EVERY = 10.0  # seconds between lines in a log

Advance = Callable[..., None]


@contextmanager
def progress(title: str, total: int, unit: str, done: int = 0) -> Iterator[Advance]:
    """Shows the progress of a piece of work on standard error.

    Args:
        title: what is done.
        total: number of units.
        unit: name of the units, a plural that ends in s.
        done: units that an earlier run did; they do not count for the speed.

    Yields:
        `advance(count=1)`: `count` more units are done. In a log each line reads
        `TITLE: 42% (1,300 of 3,100 UNIT, 51 UNIT/s, 35 s left)`. The flows turn it into a progress
        bar on Prefect's page.
    """
    if sys.stderr.isatty():
        yield from _bar(title, total, unit, done)
    else:
        yield from _lines(title, total, unit, done)


def rate(speed: float, unit: str) -> str:
    """Describes a speed in units per second; if it is below 1, in seconds per unit.

    Args:
        speed: units per second, above 0.
        unit: as of `progress`: with "steps", the text is like "51 steps/s" or "2.5 s/step".
    """
    if speed >= 1:
        return f"{_short(speed)} {unit}/s"
    return f"{_short(1 / speed)} s/{unit.removesuffix('s')}"


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 10 else f"{number:,.0f}"


class _RateColumn(rich.progress.ProgressColumn):
    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: rich.progress.Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(rate(speed, self.unit) if speed else "")


def _bar(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    columns = (
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.MofNCompleteColumn(),
        rich.progress.TextColumn(unit),
        _RateColumn(unit),
        rich.progress.TimeRemainingColumn(),
    )
    with rich.progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, completed=done)

        def advance(count: int = 1) -> None:
            bar.update(task, advance=count)

        yield advance


def _lines(title: str, total: int, unit: str, done: int) -> Iterator[Advance]:
    start = shown = time.monotonic()
    before = done

    def advance(count: int = 1) -> None:
        nonlocal done, shown
        done += count
        now = time.monotonic()
        if done == before or not total or (now - shown < EVERY and done < total):
            return
        shown = now
        speed = (done - before) / max(now - start, 1e-9)
        ending = f"{rate(speed, unit)}, {(total - done) / speed:,.0f} s left"
        line = f"{title}: {done / total:.0%} ({done:,} of {total:,} {unit}, {ending})"
        print(line, file=sys.stderr, flush=True)  # standard output is for results

    yield advance
