"""The servers of this project answer at once."""

import asyncio
import socket

from flows.local.listening import listening


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
