"""Contestants that take turns, each in a process of its own.

Threads and the allocator are settings of a whole process.
"""

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
        make: a picklable function. It is called in the new process and returns the step to time.
        warmup: number of steps before the first turn, in which memory is allocated and kernels are
            chosen.

    Attributes:
        answer: the result of the last warm-up step if it is an array, else None.
    """

    def __init__(self, make: Callable[[], Step], warmup: int = 2) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(make, warmup, other))
        self.process.start()
        other.close()
        self.answer: Any = self.pipe.recv()

    def seconds(self, steps: int) -> float:
        """Runs one turn and returns the mean seconds of its steps."""
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
    """Runs all contestants in turns, so that a slow moment of the machine affects all of them.

    Returns:
        For each contestant the seconds per step of each round.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, contestant in contestants.items():
            seconds[name].append(contestant.seconds(steps))
    for contestant in contestants.values():
        contestant.close()
    return seconds


def ratio(other: list[float], own: list[float]) -> float:
    """Returns how many times faster `own` is than `other`: the median of the rounds' ratios.

    Args:
        other, own: seconds per step of each round.
    """
    return statistics.median(a / b for a, b in zip(other, own, strict=True))
