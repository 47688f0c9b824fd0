"""A registered model that embeds one picture after another, in a process of its own."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

import numpy as np

from flows.local.process import environment_of
from flows.local.project import Project
from flows.registry.remote_predict import score_command
from ml.core.errors import UserError


class Embedder:
    """Asks the model's process; one question at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process, self.turn = process, Lock()

    def alive(self) -> bool:
        """Returns whether the model's process still runs; nobody starts it again."""
        return self.process.poll() is None

    def embed(self, image: str, article_type: str) -> np.ndarray:
        """Embeds a picture.

        Args:
            image: base64 of the picture's file.

        Returns:
            float32 (size,), not relative to a block.

        Raises:
            UserError: the picture cannot be read.
            RuntimeError: the model's process has ended.
        """
        assert self.process.stdin and self.process.stdout
        with self.turn:
            try:
                question = json.dumps({"image": image, "article_type": article_type})
                self.process.stdin.write(question + "\n")
                self.process.stdin.flush()
                answer = self.process.stdout.readline()
            except OSError as error:
                raise RuntimeError("the model's process has ended") from error
        if not answer:
            raise RuntimeError("the model's process has ended")
        found = json.loads(answer)
        if found["problem"]:
            raise UserError(f"the picture cannot be used: {found['problem']}")
        return np.asarray(found["embedding"], np.float32)


@contextmanager
def embedder(project: Project, model: Path) -> Iterator[Embedder]:
    """Starts the process of a model, and ends it when the block ends.

    Args:
        model: its folder, as MLflow keeps it; MLflow writes beside it.
    """
    beside = model.with_name("answers")
    command, environment = score_command(project, model, ["-", str(beside), "answers"])
    with subprocess.Popen(
        command,
        cwd=model.parent,
        env=environment_of(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the server only; without it, the process ends
    ) as process:
        try:
            assert process.stdout
            if process.stdout.readline() != "ready\n":
                raise RuntimeError("the model could not be loaded; its messages are above")
            yield Embedder(process)
        finally:
            process.kill()
