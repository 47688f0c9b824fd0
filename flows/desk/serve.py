"""`variants desk`: serves the desk on loopback, until it is interrupted."""

from collections.abc import Callable

import uvicorn

from flows.desk.app import desk_app
from flows.desk.settings import Settings
from flows.local.listening import Server, listening
from flows.local.project import Project


def serve_desk(project: Project, settings: Settings, port: int, say: Callable[[str], None]) -> None:
    """Serves the desk.

    Args:
        port: 0: any free one.
        say: called with the address.

    Raises:
        UserError: the port is taken.
    """
    app = desk_app(project, settings)
    with listening(port) as listener:
        say(f"http://127.0.0.1:{listener.getsockname()[1]}")
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False, proxy_headers=False
        )
        Server(config).run(sockets=[listener])
