"""Check of the queueing model: step times are measured, first audio is predicted from them and then measured.

    python benchmarks/capacity_check.py [--engine tone] [--seconds 20]

For each engine:

1. ``step_s(n)``: the engine alone in this process, with n jobs. A line through the times of some n is the model's.
2. The hop: first audio of requests to an idle gateway, less the steps for it; half of the rest.
3. A client sends requests at random times (a Poisson process) at several shares of the engine's capacity. The
   simulation gets the same times, so that chance affects both equally, and of an engine that sends audio at every step,
   the duration that steps had in that run: other processes on the machine slow them down.

The tone engine sleeps in its steps: it checks the queueing. In the others, client, gateway and worker share the cores,
which the model does not know.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

from step_server import Engine, Request, Served, arrivals, line, percentile, simulate  # noqa: E402
from support.gateway_process import start_gateway, wait_ready  # noqa: E402

from backends.base import EngineConfig, Job  # noqa: E402
from backends.registry import Registry  # noqa: E402
from gateway.settings_sources import config_folder, load_settings  # noqa: E402

RECORD = HERE / "capacity_check.json"
SHARES = (0.3, 0.6, 0.9)
IDLE_REQUESTS = 15
SENTENCE = "The old lighthouse spoke again on a quiet evening."


@dataclass(frozen=True)
class Case:
    """An engine and its requests.

    :param settings: of ``engines.<name>`` over the shipped configuration.
    :param counts: numbers of jobs for which a step is measured.
    :param first_step: the step that ends with a request's first audio, and ``steps``, the last.
    """

    name: str
    settings: dict[str, Any]
    text: str
    counts: tuple[int, ...]
    first_step: int
    steps: int
    slots: int
    by_turns: bool = False


CASES = (
    Case("tone", {"backend": "tone", "defaults": {"step_s": 0.1}}, "x" * 20, (1, 8), 1, 10, 8),
    Case("lite", {}, f"{SENTENCE} {SENTENCE} {SENTENCE}", (1,), 1, 3, 8, by_turns=True),
    Case("f5", {"threads": 1, "defaults": {"nfe": 7}}, SENTENCE, (1, 2, 4), 7, 7, 4),
)


def config_of(case: Case) -> dict[str, Any]:
    settings = {"load": "eager", "threads": 1, "max_queue": 10_000, **case.settings}
    return {
        "include": [str(config_folder() / "gateway.yaml")],
        "port": 0,
        "default_engine": case.name,
        "engines": {"lite": {"load": "lazy"}, case.name: settings},
        "logs": {"level": "warning"},
    }


def step_times(case: Case, folder: Path, rounds: int = 5) -> dict[int, float]:
    """Median over rounds of the mean duration of a step, by the number of jobs in the engine."""
    path = folder / "steps.json"
    path.write_text(json.dumps(config_of(case)))  # which is YAML too
    settings = load_settings(path).engines[case.name]
    config = EngineConfig(case.name, threads=settings.threads, model=settings.model, defaults=settings.defaults)
    engine = Registry().plugin_class(settings.backend)(config).load()
    voices = engine.capabilities.voices
    times: dict[int, float] = {}
    for count in case.counts:
        means = []
        for number in range(rounds + 1):
            for index in range(count):
                engine.add(Job(f"{number}-{index}", case.text, seed=index, voice=voices[0].name, stream=True))
            steps = case.steps * (count if case.by_turns else 1)
            began_at = time.perf_counter()
            for _ in range(steps):
                engine.step()
            means.append((time.perf_counter() - began_at) / steps)
            assert not engine.step(), "the case's number of steps is wrong"
        times[count] = statistics.median(means[1:])
    engine.close()
    return times


async def speak(client: httpx.AsyncClient, text: str) -> Served:
    """Send a streamed request; return the times to its first and its last audio."""
    body = {"text": text, "stream": True, "format": "pcm"}
    sent_at, first_s, last_s = time.perf_counter(), 0.0, 0.0
    async with client.stream("POST", "/tts", json=body) as response:
        assert response.status_code == 200, await response.aread()
        async for _ in response.aiter_raw():
            last_s = time.perf_counter() - sent_at
            first_s = first_s or last_s
    return Served(first_s, last_s)


async def idle_first_audio(url: str, text: str) -> float:
    async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
        times = [(await speak(client, text)).first_s for _ in range(IDLE_REQUESTS)]
    return statistics.median(times[3:])


async def offer(url: str, text: str, times: Sequence[float]) -> list[Served]:
    """Send requests at the given times, whatever happened to the ones before."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    async with httpx.AsyncClient(base_url=url, timeout=300, trust_env=False, limits=limits) as client:
        began_at = time.perf_counter()

        async def one(at_s: float) -> Served:
            await asyncio.sleep(began_at + at_s - time.perf_counter())
            return await speak(client, text)

        return await asyncio.gather(*map(one, times))


def slowdown(case: Case, measured: Sequence[Served], step_s: Callable[[int], float]) -> float:
    """Mean duration of a step in a run over the one measured alone, from the time between first and last audio."""
    if case.by_turns or case.first_step == case.steps:
        return 1.0
    mean_s = statistics.mean(one.last_s - one.first_s for one in measured) / (case.steps - case.first_step)
    return mean_s / step_s(case.slots)


def check(case: Case, seconds: float) -> dict[str, Any]:
    """Measure and predict an engine's first audio at several loads."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = step_times(case, folder)
        step_s = line(times)
        gateway = start_gateway(folder, config_of(case))
        try:
            wait_ready(gateway)
            idle_s = asyncio.run(idle_first_audio(gateway.url, case.text))
            hop_s = max(0.0, (idle_s - case.first_step * step_s(1)) / 2)
            full = 1 / (case.steps * step_s(1)) if case.by_turns else case.slots / (case.steps * step_s(case.slots))
            rows = []
            for share in SHARES:
                at_s = arrivals(share * full, max(20, round(share * full * seconds)), seed=round(100 * share))
                load_before = os.getloadavg()[0]
                measured = asyncio.run(offer(gateway.url, case.text, at_s))
                slower = slowdown(case, measured, step_s)
                engine = Engine(case.slots, lambda n: slower * step_s(n), hop_s=hop_s, by_turns=case.by_turns)  # noqa: B023
                served = simulate(engine, [Request(at, case.first_step, case.steps, 0.0) for at in at_s])
                row: dict[str, Any] = {"share": share, "rate": share * full, "requests": len(at_s), "slower": slower}
                for percent in (50, 95):
                    row[f"predicted_p{percent}_s"] = percentile([one.first_s for one in served], percent)
                    row[f"measured_p{percent}_s"] = percentile([one.first_s for one in measured], percent)
                row["load_average"] = (load_before + os.getloadavg()[0]) / 2
                rows.append(row)
                print(case.name, {key: round(value, 3) for key, value in row.items()}, flush=True)
        finally:
            gateway.stop()
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%Y-%m-%d')}"
    return {"machine": machine, "step_s": times, "hop_s": hop_s, "slots": case.slots, "rows": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a run")
    parser.add_argument("--engine", action="append", choices=[case.name for case in CASES])
    parser.add_argument("--out", type=Path, default=RECORD)
    arguments = parser.parse_args()
    found = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for case in CASES:
        if case.name in (arguments.engine or [case.name]):
            found[case.name] = check(case, arguments.seconds)
            arguments.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
