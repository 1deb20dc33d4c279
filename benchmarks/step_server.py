"""Queueing model of an engine that works in steps: first come, first served, with a limited number of slots.

A request gets a slot, or waits for one in arrival order. It joins the batch at the next step, and leaves it after its
number of steps. Every step takes a time that depends on the number of active requests. This is what the gateway
(``gateway/engine/admission.py``) and a worker (``backends/worker/loop.py``) do, without the CPU time of the gateway.
"""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Engine:
    """An engine's timing.

    :param slots: requests in the engine at once.
    :param step_s: duration of a step with n active requests.
    :param join_s: additional duration of a step for each request that joins at it, e.g. to read its prompt.
    :param hop_s: time from the gateway to the engine, and again from the engine to the client.
    :param by_turns: whether a step serves one request, in turn, and not all of them.
    """

    slots: int
    step_s: Callable[[int], float]
    join_s: float = 0.0
    hop_s: float = 0.0
    by_turns: bool = False


@dataclass(frozen=True)
class Request:
    """A request: its arrival, the step that ends with its first audio (from 1), its last step, and its audio."""

    at_s: float
    first_step: int
    steps: int
    audio_s: float


@dataclass(frozen=True)
class Served:
    """Time from a request's arrival to its first and to its last audio."""

    first_s: float
    last_s: float


@dataclass
class _Job:
    request: Request
    joins_at_s: float
    done: int = 0
    first_at_s: float = 0.0


def simulate(engine: Engine, requests: Sequence[Request]) -> list[Served]:
    """Serve requests, which are in the order of arrival; return the results in the order in which they finish."""
    waiting = deque(requests)
    free_at_s = [0.0] * engine.slots  # a heap
    joining: deque[_Job] = deque()
    active: deque[_Job] = deque()
    served: list[Served] = []
    now_s = 0.0
    while waiting or joining or active:
        while waiting and free_at_s:
            request = waiting.popleft()
            joining.append(_Job(request, max(request.at_s, heapq.heappop(free_at_s)) + engine.hop_s))
        if not active:
            now_s = max(now_s, joining[0].joins_at_s)
        joined = 0
        while joining and joining[0].joins_at_s <= now_s:
            active.append(joining.popleft())
            joined += 1
        now_s += engine.step_s(len(active)) + joined * engine.join_s
        for _ in range(1 if engine.by_turns else len(active)):
            job = active.popleft()
            job.done += 1
            if job.done == job.request.first_step:
                job.first_at_s = now_s
            if job.done < job.request.steps:
                active.append(job)
                continue
            heapq.heappush(free_at_s, now_s + engine.hop_s)
            since_s = job.request.at_s - engine.hop_s
            served.append(Served(job.first_at_s - since_s, now_s - since_s))
    return served


def line(times: dict[int, float]) -> Callable[[int], float]:
    """Return the line that fits the durations of steps by number of requests best; never below the least of them."""
    slope, base = np.polyfit(list(times), list(times.values()), 1) if len(times) > 1 else (0.0, min(times.values()))
    return lambda n: float(max(min(times.values()), base + slope * n))


def arrivals(rate: float, count: int, seed: int) -> list[float]:
    """Return the times of a Poisson process of ``rate`` requests per second."""
    rng = random.Random(seed)
    at_s, times = 0.0, []
    for _ in range(count):
        at_s += rng.expovariate(rate)
        times.append(at_s)
    return times


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def streams(engine: Engine, work: Callable[[random.Random], Request], target_s: float, most: int = 2000) -> int:
    """Return how many listeners an engine serves whose speech never pauses: 95 % of the requests within the target.

    A listener asks for the next request when the last one has been played, so that N of them make N requests in the
    mean length of a request's audio; their arrivals are a Poisson process. The speech of 95 % of the requests must also
    be synthesized faster than it is played.

    :param work: draws a request that arrives at 0.
    """
    rng = random.Random(1)
    drawn = [work(rng) for _ in range(1500)]
    mean_s = sum(request.audio_s for request in drawn) / len(drawn)

    def holds(count: int) -> bool:
        times = arrivals(count / mean_s, len(drawn), seed=2)
        requests = [
            Request(at_s, one.first_step, one.steps, one.audio_s) for at_s, one in zip(times, drawn, strict=True)
        ]
        served = simulate(engine, requests)
        if percentile([one.first_s for one in served], 95) > target_s:
            return False
        return percentile([(one.last_s - one.first_s) / mean_s for one in served], 95) <= 1.0

    low, high = 0, 1
    while high <= most and holds(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
