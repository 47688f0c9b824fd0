"""Progress of long work: a bar where a person watches, a line now and then where a log does."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

EVERY = 10.0  # seconds between lines in a log

Advance = Callable[..., None]


@contextmanager
def progress(title: str, total: int, unit: str) -> Iterator[Advance]:
    """Shows how far a piece of work is.

    Yields:
        `advance(count=1)`: `count` more units are done. In a log each line reads
        `TITLE: 42 % (1,300 of 3,100 UNIT, 51 UNIT/s, 35 s left)`, which the flows turn into a progress bar on Prefect's
        page.
    """
    if sys.stderr.isatty():
        yield from _bar(title, total, unit)
    else:
        yield from _lines(title, total, unit)


def _bar(title: str, total: int, unit: str) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)

        def advance(count: int = 1) -> None:
            bar.update(task, advance=count)

        yield advance


def _lines(title: str, total: int, unit: str) -> Iterator[Advance]:
    start = shown = time.monotonic()
    done = 0

    def advance(count: int = 1) -> None:
        nonlocal done, shown
        done += count
        now = time.monotonic()
        if not total or (now - shown < EVERY and done < total):
            return
        shown = now
        speed = done / max(now - start, 1e-9)
        ending = f"{speed:,.0f} {unit}/s, {(total - done) / max(speed, 1e-9):,.0f} s left"
        line = f"{title}: {done / total:.0%} ({done:,} of {total:,} {unit}, {ending})"
        print(line, file=sys.stderr, flush=True)  # standard output is for results

    yield advance
