"""The servers of this project answer at once."""

import asyncio
import signal
import socket
import subprocess
import sys

import pytest

from flows.local.listening import listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_ends_at_a_signal_also_where_a_shell_has_it_ignored(
    number: signal.Signals,
) -> None:
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); from fastapi import FastAPI; "
        "import uvicorn; from flows.local.listening import Server, listening; one = listening(0); "
        "print('ready', flush=True); Server(uvicorn.Config(FastAPI())).run(sockets=[one])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout and server.stderr
        assert server.stdout.readline() == "ready\n"
        next(line for line in server.stderr if "startup complete" in line)
        server.send_signal(number)
        assert server.wait(20) == 0


def test_no_answer_waits_for_the_client_to_acknowledge_its_first_part() -> None:
    async def option() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            one = writer.get_extra_info("socket")
            found.set_result(one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        with listening(0) as listener:
            async with await asyncio.start_server(met, sock=listener):
                await asyncio.open_connection(*listener.getsockname())
                return await found

    assert asyncio.run(option())
