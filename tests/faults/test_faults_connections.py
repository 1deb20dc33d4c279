"""Hostile connections: unread answers, pipelining, floods of frames, foreign hosts, a full disk, a short drain."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import time

import httpx
import psutil
import pytest
from support.connections import closed, ended, healthy, idle_descriptors, opened, request
from support.faults_full import full
from support.gateway_process import clip_of
from support.load import TEXT, Load

pytestmark = full


def rss(load: Load) -> int:
    return psutil.Process(load.gateway.process.pid).memory_info().rss


async def test_whole_answers_that_nobody_reads_are_dropped(load, report) -> None:
    before, memory = await idle_descriptors(load), rss(load)
    whole = request(text="x" * 5000, response="base64", options={"step_s": 0})  # 16 MB of JSON
    unread = await opened(load, 12, whole)
    async with load.running():
        await asyncio.sleep(20)  # made, and unread for longer than stall_s
        held = rss(load) - memory
        cut = await ended(unread)
    await closed(unread)
    await healthy(load, before)
    assert held < 150 * 2**20, f"{held / 2**20:.0f} MB are held for clients that read nothing"
    figure = f"{cut} cut off, {held / 2**20:.0f} MB held; {load.counts}"
    report("12 whole answers left unread", "counted in the backlog, cut off after `stall_s`", figure)


async def test_unread_documentation_does_not_refuse_a_request_with_a_key(start, report) -> None:
    key = {"sha256": hashlib.sha256(b"secret").hexdigest()}
    load = start(
        requests=20, stall_s=3, settings={"access": {"keys": {"us": key}}}, headers={"Authorization": "Bearer secret"}
    )
    file = b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"  # 1.5 MB
    unread = await opened(load, 60, file * 20)
    async with load.running(4):
        await load.more_right(20)
    await closed(unread)
    load.check()
    assert not load.counts.refused
    report("60 connections pipeline open files and read nothing", "no request with a key is refused", load.counts)


async def test_pipelining_and_hanging_up_aborts_the_job(load, report) -> None:
    before = await idle_descriptors(load)
    long = request(text="x" * 1000, options={"step_s": 0.2})  # 100 s of work
    gone = await opened(load, 5, long + request())
    await asyncio.sleep(1)
    for _, writer in gone:
        writer.transport.abort()
    began_at = time.monotonic()
    async with asyncio.timeout(20):
        while load.gateway.client.get("/v1/engines/tone").json()["queue"]["active"]:
            await asyncio.sleep(0.05)
    elapsed_s = time.monotonic() - began_at
    async with load.running():
        await load.more_right()
    await closed(gone)
    await healthy(load, before)
    report("5 clients pipeline and hang up", "their jobs are aborted", f"after {elapsed_s:.1f} s; {load.counts}")


@pytest.mark.parametrize("kind", ["empty fragments", "pings"])
async def test_flood_of_empty_frames_leaves_the_loop_free(load, report, kind: str) -> None:
    before = await idle_descriptors(load)
    key = base64.b64encode(os.urandom(16))
    handshake = b"GET /tts/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    handshake += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: " + key + b"\r\n\r\n"
    pairs = await opened(load, 4, handshake)
    for reader, _ in pairs:
        assert b" 101 " in await reader.readuntil(b"\r\n\r\n")
    frames = (
        b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 200_000
        if kind == "empty fragments"
        else b"\x89\x80\0\0\0\0" * 200_000
    )
    waits = []
    async with load.running(2), httpx.AsyncClient(base_url=load.gateway.url, timeout=60, trust_env=False) as client:
        for _, writer in pairs:
            writer.write(frames)
        for _ in range(50):
            began_at = time.monotonic()
            await client.get("/health/live")
            waits.append(time.monotonic() - began_at)
            await asyncio.sleep(0.05)
        cut = await ended(pairs)
    await closed(pairs)
    await healthy(load, before)
    assert max(waits) < 1.5, f"the event loop was busy for {max(waits):.1f} s"
    figure = f"{cut} cut off, the longest wait was {max(waits) * 1000:.0f} ms; {load.counts}"
    report(f"4 × 200,000 {kind} of WebSockets", "cut off, the loop stays free", figure)


async def test_foreign_host_is_refused_on_every_route(load, report) -> None:
    paths = load.gateway.client.get("/openapi.json").json()["paths"]
    statuses = {}
    async with load.running(2), httpx.AsyncClient(base_url=load.gateway.url, timeout=60, trust_env=False) as client:
        for host in ("evil.example", "127.0.0.1.evil.example", "evil.example:80"):
            for path in (*(path for path in paths if "{" not in path), "/ui/", "/docs"):
                response = await client.get(path, headers={"Host": host})
                statuses[host, path] = response.status_code
    load.check()
    allowed = {key: status for key, status in statuses.items() if not 400 <= status < 500 or status in (404, 405)}
    assert not {path for _, path in allowed} - {"/health/live", "/health/ready", "/health", "/ping"}, allowed
    report(
        "DNS rebinding: a foreign `Host`", "refused on every route", f"{len(statuses)} requests refused; {load.counts}"
    )


async def test_full_disk_refuses_voices_and_nothing_else(start, report) -> None:
    load = start()
    data = load.gateway.log.parent / "data"
    data.mkdir(exist_ok=True)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=800k", "tmpfs", str(data)], capture_output=True).returncode:
        pytest.skip("this machine allows no mount")
    (data / "voices").mkdir()
    try:
        async with load.running(2), httpx.AsyncClient(base_url=load.gateway.url, timeout=60, trust_env=False) as client:
            answers = [
                await client.post(
                    "/v1/voices",
                    data={"name": f"voice {number}", "transcript": "what is said"},
                    files={"audio": ("a.wav", clip_of(10))},
                )
                for number in range(3)
            ]
            await load.more_right()
        listed = load.gateway.client.get("/v1/voices").json()["voices"]
        left = [path.name for path in data.rglob("*.tmp")]
    finally:
        subprocess.run(["umount", "--lazy", str(data)], check=True)
    load.check()
    assert {answer.status_code for answer in answers} <= {201, 503, 507}, [answer.text for answer in answers]
    assert answers[-1].status_code != 201
    assert sum(answer.status_code == 201 for answer in answers) == sum(voice["kind"] == "stored" for voice in listed)
    assert not left
    report(
        "full disk", "voices get 507 or 503, nothing half is left", f"{[a.status_code for a in answers]}; {load.counts}"
    )


async def test_requests_cut_off_by_the_drain_are_refused_or_broken_visibly(start, report) -> None:
    load = start(drain_s=1)
    async with httpx.AsyncClient(base_url=load.gateway.url, timeout=60, trust_env=False) as client:
        slow = {"engine": "tone", "text": TEXT * 20, "options": {"step_s": 0.5}}
        asking = [
            asyncio.create_task(client.post("/tts", json={**slow, "stream": stream})) for stream in (False, True) * 3
        ]
        await asyncio.sleep(1)
        load.gateway.process.send_signal(signal.SIGTERM)
        answers = await asyncio.gather(*asking, return_exceptions=True)
    with contextlib.suppress(subprocess.TimeoutExpired):
        load.gateway.process.wait(20)
    refused = [answer for answer in answers if isinstance(answer, httpx.Response)]
    assert {answer.status_code for answer in refused} <= {503}, [answer.text for answer in refused]
    assert all(json.loads(answer.content)["error"]["type"] for answer in refused)
    assert all(isinstance(answer, httpx.Response | httpx.HTTPError) for answer in answers)
    assert load.gateway.process.returncode == 0
    assert "Traceback" not in load.gateway.log.read_text()
    figure = f"{len(refused)} refused, {len(answers) - len(refused)} broken visibly"
    report("SIGTERM with work for longer than `drain_s`", "503 or a broken stream, no traceback", figure)
