"""Contestants that take turns: each lives in a process of its own, since threads and allocator are settings of a process."""

import contextlib
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

Step = Callable[[], object]


class Contestant:
    """A process that makes its step once and waits for its turns.

    Args:
        make: picklable; called in the new process, gives the step that is timed.
        warmup: steps before the first turn: allocations and kernel choices.

    Attributes:
        answer: what the last of these steps gave, where that is an array.
    """

    def __init__(self, make: Callable[[], Step], warmup: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(make, warmup, other))
        self.process.start()
        other.close()
        self.answer: Any = self.pipe.recv()

    def seconds(self, steps: int) -> float:
        """Lets it take its turn: mean seconds of a step."""
        self.pipe.send(steps)
        return float(self.pipe.recv())

    def close(self) -> None:
        """Ends the process."""
        self.pipe.send(0)
        self.process.join()


def _serve(make: Callable[[], Step], warmup: int, pipe: Connection) -> None:
    step = make()
    answers = [step() for _ in range(warmup)]
    pipe.send(answers[-1] if isinstance(answers[-1], np.ndarray) else None)
    with contextlib.suppress(EOFError):  # the benchmark was interrupted
        while steps := pipe.recv():
            started = time.perf_counter()
            for _ in range(steps):
                step()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            pipe.send((time.perf_counter() - started) / steps)


def race(contestants: dict[str, Contestant], rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds a step of each contestant, in each round; a slow moment of the machine meets them all."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            seconds[name].append(contestant.seconds(steps))
    for contestant in contestants.values():
        contestant.close()
    return seconds


def ratio(other: list[float], own: list[float]) -> float:
    """How many times faster than the other: the median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(other, own, strict=True))
