"""A web server of this project on loopback: its socket, and how signals end it."""

import signal
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import uvicorn

from flows.local.interruptions import ending_servers
from ml.core.errors import UserError


class Server(uvicorn.Server):
    """A server that an interruption ends in good order; uvicorn would let it kill the process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server at a signal, and does not send the signal again."""
        before = {one: signal.signal(one, self.handle_exit) for one in ending_servers()}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)


def length_refusal(headers: Mapping[str, str], most: int) -> str | None:
    """Returns in words why a body is refused before it is read, or None.

    Args:
        headers: of the request.
        most: bytes.
    """
    length = headers.get("content-length", "")
    fits = length.isdigit() and int(length) <= most
    return None if fits else f"send a body of a stated length, at most {most:,} bytes"


def listening(port: int) -> socket.socket:
    """Returns a socket that listens on loopback.

    Args:
        port: 0: any free one.

    Raises:
        UserError: the port is taken.
    """
    # asyncio sets TCP_NODELAY on connections of a socket that names TCP only: without it, the body
    # of an answer waits 40 ms for the client to acknowledge its headers.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()  # whoever reads the address may ask at once
    except OSError as error:
        listener.close()
        raise UserError(
            f"port {port} cannot be used ({error}): take another, or 0 for any"
        ) from error
    return listener
