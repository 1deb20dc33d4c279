"""HTTP load generator with raw sockets and keep-alive, so that the client takes little CPU time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Result:
    """Latencies in ascending order, wall time of the run, and the server's CPU time."""

    latencies_s: list[float]
    wall_s: float
    server_cpu_s: float

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.wall_s

    @property
    def cpu_ms(self) -> float:
        """Server CPU time per request."""
        return self.server_cpu_s / len(self.latencies_s) * 1000

    def percentile_ms(self, percent: float) -> float:
        index = min(len(self.latencies_s) - 1, round(percent / 100 * (len(self.latencies_s) - 1)))
        return self.latencies_s[index] * 1000


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> int:
    """Send a request and return the size of the response body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if status != 200:
        raise RuntimeError(f"status {status}: {body[:300]!r}")
    return length


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and its children so far."""
    server = psutil.Process(pid)
    times = [process.cpu_times() for process in (server, *server.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


async def load(
    pid: int, port: int, path: str, body: object, concurrency: int, seconds: float, warmup_s: float = 1.0
) -> Result:
    """Send requests on ``concurrency`` connections for ``seconds``; every response must have status 200.

    :param pid: the server's process, for its CPU time.
    """
    payload = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(payload)}\r\n\r\n"
    )
    request = head.encode() + payload
    latencies: list[float] = []
    began_at = time.perf_counter() + warmup_s
    ends_at = began_at + seconds

    async def connection() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
        while (sent_at := time.perf_counter()) < ends_at:
            await _ask(reader, writer, request)
            if sent_at >= began_at:
                latencies.append(time.perf_counter() - sent_at)
        writer.close()

    async def spent() -> float:
        await asyncio.sleep(warmup_s)
        before = cpu_seconds(pid)
        await asyncio.sleep(max(0.0, ends_at - time.perf_counter()))
        return cpu_seconds(pid) - before

    server_cpu_s, *_ = await asyncio.gather(spent(), *(connection() for _ in range(concurrency)))
    return Result(sorted(latencies), time.perf_counter() - began_at, server_cpu_s)
