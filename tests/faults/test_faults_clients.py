"""Clients that are slow, silent, many or gone, beside others whose every answer is compared."""

from __future__ import annotations

import asyncio
import contextlib
import json

import httpx
import psutil
from support.connections import HEAD, closed, ended, healthy, idle_descriptors, opened, request
from support.faults_full import FULL
from support.load import LANGUAGES, TEXT
from websockets.asyncio.client import ClientConnection, connect

IDLE = 2000 if FULL else 200
SOCKETS = 500 if FULL else 40
SLOW = 50 if FULL else 10


async def test_slow_heads_and_bodies_are_cut_off_and_disturb_no_one(load, report) -> None:
    before = await idle_descriptors(load)
    slow = await opened(load, SLOW, HEAD) + await opened(load, SLOW, HEAD + b'Content-Length: 1000\r\n\r\n{"text":')
    async with load.running():
        for _ in range(3):
            await asyncio.sleep(0.5)
            for _, writer in slow:
                writer.write(b"x: y\r\n")
        cut = await ended(slow)
    await closed(slow)
    await healthy(load, before)
    assert not load.counts.refused
    assert not load.counts.broken
    report(f"{2 * SLOW} slow heads and bodies", "cut off after `limits.body_s`", f"{cut} cut off; {load.counts}")


async def test_readers_that_stop_are_cut_off(load, report) -> None:
    before = await idle_descriptors(load)
    memory = psutil.Process(load.gateway.process.pid).memory_info().rss
    unread = await opened(load, SLOW, request(text="x" * 5000, stream=True, format="wav", options={"step_s": 0}))
    async with load.running():
        await load.more_right()
        await asyncio.sleep(5)  # stall_s is 3
        cut = await ended(unread)
    await closed(unread)
    await healthy(load, before)
    grown = psutil.Process(load.gateway.process.pid).memory_info().rss - memory
    assert grown < 250 * 2**20
    report(f"{SLOW} readers of streams that stop", "cut off after `limits.stall_s`", f"{cut} cut off; {load.counts}")


async def test_clients_that_hang_up_leave_nothing(load, report) -> None:
    before = await idle_descriptors(load)
    async with load.running():
        for size in (2, 200, 20_000):
            gone = await opened(load, SLOW, request(stream=True, options={"step_s": 0.05}))
            await asyncio.gather(*(reader.readexactly(size) for reader, _ in gone))
            for _, writer in gone:
                writer.transport.abort()
        await load.more_right()
    async with asyncio.timeout(10):
        while load.gateway.client.get("/v1/engines/tone").json()["queue"]["active"]:
            await asyncio.sleep(0.05)
    await healthy(load, before)
    report(f"{3 * SLOW} clients hang up midway", "their jobs end, nothing is left", load.counts)


async def test_idle_connections_hold_no_place(load, report) -> None:
    before = await idle_descriptors(load)
    idle = await opened(load, IDLE, b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    async with load.running():
        await load.more_right()
    await closed(idle)
    await healthy(load, before)
    report(f"{IDLE} idle connections", "other requests are answered", load.counts)


async def test_live_sessions_idle_and_speaking(load, report) -> None:
    before = await idle_descriptors(load)
    url = load.gateway.url.replace("http", "ws") + "/tts/stream"
    spoken: set[bytes] = set()

    async def speak(socket: ClientConnection) -> None:
        await socket.send(json.dumps({"type": "text", "text": TEXT}))
        await socket.send(json.dumps({"type": "end"}))
        spoken.add(b"".join([message async for message in socket if isinstance(message, bytes)]))

    refused = 0
    async with contextlib.AsyncExitStack() as stack:
        sockets = []
        for _ in range(SOCKETS):
            socket = await stack.enter_async_context(connect(url, proxy=None, open_timeout=30))
            await socket.send(json.dumps({"type": "start", "engine": "tone", "seed": 1}))
            answer = json.loads(await socket.recv())
            if answer["type"] == "started":
                sockets.append(socket)
            else:
                refused += 1
                assert answer["error"]["type"] == "overloaded", answer
        async with load.running():
            await asyncio.gather(*map(speak, sockets[::2]))
            await load.more_right()
    await healthy(load, before)
    assert len(spoken) == 1, "every session speaks the same bytes"
    assert refused == max(0, SOCKETS - 100), "live.sessions is 100"
    figure = f"{len(sockets)} open, half of them spoke the same bytes, {refused} refused; {load.counts}"
    report(f"{SOCKETS} live sessions", "beyond `live.sessions` refused; each speaks its own bytes", figure)


async def test_long_numbers_are_spoken_or_refused(load, report) -> None:
    forms = ("{}", "${}", "{}%", "{}th", "+1 555 {}", "2024-05-{}", "IV {}", "①{}", "{}.{}")
    languages = LANGUAGES if FULL else LANGUAGES[:2]
    bodies = [{"text": form, "normalize": False} for form in forms]
    bodies += [{"text": form, "language": language, "engine": "tone"} for language in languages for form in forms[:2]]
    statuses = []
    async with load.running(1), httpx.AsyncClient(base_url=load.gateway.url, timeout=60, trust_env=False) as client:
        for body in bodies:
            response = await client.post("/tts", json={**body, "text": body["text"].replace("{}", "9" * 37)})
            statuses.append(response.status_code)
    load.check()
    assert statuses.count(422) <= 1, "lite refuses ①"
    assert statuses.count(200) >= len(statuses) - 1
    report("numbers of 37 digits", "spoken digit by digit", f"{statuses.count(200)} of {len(statuses)} spoken, no 500")
