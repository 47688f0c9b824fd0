"""A desk that runs in a thread of the test's own process, for tests in a real browser."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import uvicorn

from flows.desk.app import desk_app
from flows.desk.settings import Settings
from flows.local.listening import listening
from flows.local.project import Project


@contextmanager
def running_desk(project: Project, settings: Settings) -> Iterator[str]:
    """Runs a desk while the block runs; yields its address."""
    with listening(0) as listener:
        config = uvicorn.Config(desk_app(project, settings), log_level="warning")
        server = uvicorn.Server(config)
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)
