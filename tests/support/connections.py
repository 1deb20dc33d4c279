"""Raw connections to a gateway, many at a time, for clients that do what no library does."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
from support.load import TONE, Load, Resources

HEAD = b"POST /tts HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def request(**body: object) -> bytes:
    content = json.dumps({**TONE, **body}).encode()
    return HEAD + b"Content-Length: %d\r\n\r\n" % len(content) + content


async def opened(load: Load, count: int, first: bytes) -> list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open connections and send the same bytes on each."""
    url = httpx.URL(load.gateway.url)
    pairs = []
    for _ in range(count):
        pairs.append(await asyncio.open_connection(url.host, url.port, limit=2**12))
        pairs[-1][1].write(first)
    return pairs


async def closed(pairs: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]) -> None:
    for _, writer in pairs:
        writer.close()
    await asyncio.gather(*(writer.wait_closed() for _, writer in pairs), return_exceptions=True)


async def ended(pairs: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]], timeout_s: float = 30) -> int:
    """Wait until the gateway has ended every connection, and count them."""

    async def end(reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while await reader.read(2**12):
                pass

    async with asyncio.timeout(timeout_s):
        await asyncio.gather(*(end(reader) for reader, _ in pairs))
    return len(pairs)


async def healthy(load: Load, before: Resources) -> None:
    """Every question is answered, no answer was wrong, and within seconds no more descriptors are open than before."""
    await load.each_right()
    load.check()
    async with asyncio.timeout(15):
        while Resources.of(load.gateway).descriptors > before.descriptors + 2:  # a client's own connection
            await asyncio.sleep(0.1)


async def idle_descriptors(load: Load) -> Resources:
    await load.learn()
    await asyncio.sleep(0.2)
    return Resources.of(load.gateway)
