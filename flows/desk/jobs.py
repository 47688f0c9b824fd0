"""Commands of `variants` that the desk runs for people, one of each kind at a time.

A grouping takes minutes, and a rollback must not wait for it; so they are of different kinds.
"""

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from flows.local.process import CommandError, stream
from flows.local.project import Project
from ml.core.errors import UserError

Kind = Literal["release", "annotate", "group"]
KEPT = 20  # jobs whose words can still be read, the newest ones
LOOK = 0.1  # seconds between looks at what a command has said
PREFECT = " | "  # stands in each line of Prefect's log
ERROR = "error: "  # before a command's last words if it failed


@dataclass
class Job:
    """A command that runs or has run.

    Attributes:
        number: 1-based, in the order of the desk's jobs.
        kind: no two of one kind run at once.
        words: what it does, such as "Promotion of candidate 7".
        by: who started it.
        lines: what it has said so far.
        ended, failed: whether it has ended, and if so, whether it failed.
    """

    number: int
    kind: Kind
    words: str
    by: str
    lines: list[str] = field(default_factory=list)
    ended: bool = False
    failed: bool = False

    async def said(self) -> AsyncIterator[str]:
        """Yields each line soon after the command has said it, until it has ended.

        Who waits takes no thread: of these the desk has as many as it answers requests at once.
        """
        shown = 0
        while True:
            ended = self.ended  # looked at first, as no line comes after it
            for line in self.lines[shown:]:
                yield line
                shown += 1
            if ended:
                return
            await asyncio.sleep(LOOK)

    @property
    def last_words(self) -> str:
        """What the command said last about its outcome."""
        said = [line for line in self.lines if line.strip() and PREFECT not in line]
        errors = [line.removeprefix(ERROR) for line in said if line.startswith(ERROR)]
        return (errors if self.failed and errors else said or ["it said nothing"])[-1]


class Jobs:
    """The jobs of one desk."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._lock = threading.Lock()

    def get(self, number: int) -> Job | None:
        """Returns a job, or None if there is none of this number, or no longer."""
        return self._jobs.get(number)

    def running(self, kind: Kind) -> Job | None:
        """Returns the job of a kind that runs, if any."""
        known = list(self._jobs.values())
        return next((one for one in known if one.kind == kind and not one.ended), None)

    def start(
        self, project: Project, kind: Kind, words: str, by: str, arguments: Sequence[str]
    ) -> Job:
        """Starts `variants ARGUMENTS` in a process of its own.

        The desk's process waits for it before it ends, so that nothing is left half done.

        Raises:
            UserError: another job of this kind runs.
        """
        with self._lock:
            other = self.running(kind)
            if other:
                raise UserError(
                    f"{other.words} by {other.by} runs at this moment, so nothing was started: "
                    "look at what comes of it first"
                )
            job = Job(max(self._jobs, default=0) + 1, kind, words, by)
            self._jobs[job.number] = job
            for number in sorted(self._jobs)[:-KEPT]:
                if self._jobs[number].ended:
                    del self._jobs[number]
        threading.Thread(target=_run, args=(project, job, list(arguments))).start()
        return job


def _run(project: Project, job: Job, arguments: list[str]) -> None:
    failed = True
    try:
        command = [sys.executable, "-m", "flows.cli", *arguments]
        stream(command, project.root, job.lines.append, {"MLFLOW_TRACKING_URI": project.mlflow_uri})
        failed = False
    except CommandError:
        pass  # its last words say why
    except Exception as error:  # such as a full disk; whoever waits must not wait for ever
        job.lines.append(f"{ERROR}{error}")
    finally:
        job.failed = failed
        job.ended = True
