#!/usr/bin/python3
"""A relay that is far away: `relay.py PORT SECONDS` listens at a port of its own, which it prints, forwards to PORT on
loopback, and hands over what it reads so many seconds later, in both directions."""

from __future__ import annotations

import asyncio
import sys


async def carry(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
    """Keeps the order; what is on its way does not hold up what follows."""
    loop = asyncio.get_running_loop()
    try:
        while data := await source.read(65536):
            loop.call_later(delay_s, target.write, data)
    except ConnectionError:
        pass
    loop.call_later(delay_s, target.close)


async def serve(port: int, delay_s: float) -> None:
    async def relay(near: asyncio.StreamReader, near_writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(delay_s)  # the SYN's way
        far, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(carry(near, far_writer, delay_s), carry(far, near_writer, delay_s))

    server = await asyncio.start_server(relay, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), float(sys.argv[2])))
