"""Mixed load for a long time, and the gateway's memory, descriptors, processes, threads and files meanwhile.

Clients of all APIs compare every answer with the bytes that it had alone; beside them live sessions speak, voices are
stored and deleted, clients hang up, workers are killed, and engines are unloaded. After the warm-up, the first fifth of
the time, memory may grow by 5 %; at the end nothing else is left. Run it by ``make soak``, ``MINUTES=20`` by default.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import psutil
from websockets.asyncio.client import connect

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.gateway_process import Gateway, clip_of, start_gateway, wait_ready
from support.load import CONFIG, TEXT, TONE, Load, Resources, processes, worker_of

MAX_GROWTH = 0.05
SAMPLE_S = 5.0


class Soak:
    """The load beside the clients, and the samples.

    :ivar samples: (minutes, MB of the gateway, MB of its workers, what it holds).
    :ivar done: how often each of the other things happened.
    """

    def __init__(self, gateway: Gateway, folders: tuple[Path, ...]) -> None:
        self.gateway = gateway
        self.folders = folders
        self.samples: list[tuple[float, float, float, Resources]] = []
        self.done: dict[str, int] = {}

    async def run(self, load: Load, seconds: float) -> None:
        """Run for a time; between two faults there is time for many right answers."""
        began_at = time.monotonic()
        async with load.running(4), httpx.AsyncClient(base_url=self.gateway.url, timeout=60, trust_env=False) as client:
            pauses_s = {self.hang_up: 2.0, self.live: 2.0, self.voices: 2.0, self.unload: max(10, seconds / 60)}
            pauses_s[self.kill_worker] = max(30, seconds / 12)  # a second one within a minute doubles its back-off
            tasks = [asyncio.create_task(self._repeat(chore, client, pause_s)) for chore, pause_s in pauses_s.items()]
            while (elapsed_s := time.monotonic() - began_at) < seconds:
                await asyncio.sleep(SAMPLE_S)
                self._sample(elapsed_s / 60)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _sample(self, minutes: float) -> None:
        gateway, *workers = processes(self.gateway)
        megabytes = []
        for process in (gateway, *workers):
            with contextlib.suppress(psutil.Error):  # a worker that has just been killed
                megabytes.append(process.memory_info().rss / 2**20)
        with contextlib.suppress(psutil.Error):
            held = Resources.of(self.gateway, *self.folders)
            self.samples.append((minutes, megabytes[0], sum(megabytes[1:]), held))

    async def _repeat(
        self, chore: Callable[[httpx.AsyncClient], Awaitable[None]], client: httpx.AsyncClient, pause_s: float
    ) -> None:
        while True:
            await asyncio.sleep(pause_s)
            with contextlib.suppress(httpx.HTTPError, OSError, KeyError):  # while a worker is restarted
                await chore(client)
                self.done[chore.__name__] = self.done.get(chore.__name__, 0) + 1

    async def hang_up(self, client: httpx.AsyncClient) -> None:
        """Leave in the middle of a stream."""
        body = {**TONE, "stream": True, "options": {"step_s": 0.05}}
        async with client.stream("POST", "/tts", json=body) as response:
            async for _ in response.aiter_raw():
                break

    async def live(self, client: httpx.AsyncClient) -> None:
        """Speak in a live session, and leave another one alone."""
        url = self.gateway.url.replace("http", "ws") + "/tts/stream"
        async with connect(url, proxy=None) as speaking, connect(url, proxy=None) as leaving:
            for socket in (speaking, leaving):
                await socket.send(json.dumps({"type": "start", "engine": "tone", "seed": 1}))
                await socket.send(json.dumps({"type": "text", "text": TEXT}))
            await speaking.send(json.dumps({"type": "end"}))
            async for _ in speaking:
                pass

    async def voices(self, client: httpx.AsyncClient) -> None:
        """Store a voice, speak with it, delete it."""
        form = {"name": f"voice {time.monotonic_ns()}", "transcript": "what is said"}
        voice = (await client.post("/v1/voices", data=form, files={"audio": ("a.wav", clip_of(2))})).json()
        await client.post("/tts", json={**TONE, "voice": voice["id"]})
        await client.delete(f"/v1/voices/{voice['id']}")

    async def unload(self, client: httpx.AsyncClient) -> None:
        """Unload an engine; the next request loads it again."""
        await client.post("/v1/engines/tone/unload")

    async def kill_worker(self, client: httpx.AsyncClient) -> None:
        """Kill a worker."""
        with contextlib.suppress(AssertionError, psutil.Error):
            worker_of(self.gateway, "lite").kill()


def growth(megabytes: list[float]) -> float:
    """Growth after the warm-up: the median of the last fifth over that of the second one."""
    fifth = max(1, len(megabytes) // 5)
    return statistics.median(megabytes[-fifth:]) / statistics.median(megabytes[fifth : 2 * fifth]) - 1


async def main(minutes: float) -> int:
    """Run, print the table, and return 1 if anything is left or grew."""
    folder = Path(tempfile.mkdtemp(prefix="vg"))
    temporary, data = folder / "tmp", folder / "data"
    temporary.mkdir()
    gateway = start_gateway(folder, CONFIG, env={"TMPDIR": str(temporary)})
    wait_ready(gateway)
    load, soak = Load(gateway), Soak(gateway, (temporary, data))
    async with load.running():  # fills pools of threads
        await load.more_right(60)
    async with httpx.AsyncClient(base_url=gateway.url, timeout=60, trust_env=False) as client:
        await soak.voices(client)  # starts a decoder's process, which stays
    before = Resources.of(gateway, *soak.folders)
    await soak.run(load, minutes * 60)
    await load.each_right(120)
    await asyncio.sleep(2)
    after = Resources.of(gateway, *soak.folders)
    family = processes(gateway)
    print("| minute | gateway, MB | workers, MB | descriptors | processes | threads | files |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for minute, own, workers, held in soak.samples[:: max(1, len(soak.samples) // 20)]:
        counts = (held.descriptors, held.processes, held.threads, len(held.files))
        print(f"| {minute:.1f} | {own:.0f} | {workers:.0f} | " + " | ".join(map(str, counts)) + " |")
    grown = growth([own for _, own, _, _ in soak.samples])
    status = gateway.stop()
    _, alive = psutil.wait_procs(family, timeout=10)
    left = [str(path) for path in temporary.rglob("*")]
    print(f"\nanswers: {load.counts}; beside them {soak.done}")
    print(f"memory of the gateway grew by {grown:+.1%} after the warm-up")
    print(f"idle before and after: {counted(before)}, {counted(after)}; exit status {status}")
    failures = [
        *(["wrong answers"] if load.counts.wrong else []),
        *(["answers that hang"] if load.counts.hung else []),
        *([f"memory grew by {grown:.1%}"] if grown > MAX_GROWTH else []),
        *(["descriptors left"] if after.descriptors > before.descriptors + 2 else []),
        *(["processes left"] if after.processes > before.processes or alive else []),
        *(["threads left"] if after.threads > before.threads + 2 else []),
        *([f"files left: {left}"] if left else []),
        *(["files of voices left"] if len(after.files) > len(before.files) + 2 else []),
        *(["exit status"] if status else []),
    ]
    print("failed: " + ", ".join(failures) if failures else "passed")
    if not failures:
        shutil.rmtree(folder)
    return bool(failures)


def counted(held: Resources) -> str:
    return (
        f"{held.processes} processes, {held.threads} threads, {held.descriptors} descriptors, {len(held.files)} files"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    sys.exit(asyncio.run(main(parser.parse_args().minutes)))
