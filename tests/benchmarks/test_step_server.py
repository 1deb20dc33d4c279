"""The queueing model of the capacity benchmark, on cases whose result is known."""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def model() -> ModuleType:
    spec = importlib.util.spec_from_file_location("step_server", BENCHMARKS / "step_server.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["step_server"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_a_request_alone_takes_its_steps_and_two_hops(model: ModuleType) -> None:
    engine = model.Engine(slots=4, step_s=lambda n: 0.1, hop_s=0.01, join_s=0.5)
    (served,) = model.simulate(engine, [model.Request(3.0, first_step=2, steps=5, audio_s=1.0)])
    assert served.first_s == pytest.approx(0.72)
    assert served.last_s == pytest.approx(1.02)


def test_a_request_joins_at_the_next_step_and_shares_it(model: ModuleType) -> None:
    engine = model.Engine(slots=4, step_s=lambda n: float(n))
    first, second = model.simulate(engine, [model.Request(0.0, 1, 2, 1.0), model.Request(0.5, 1, 2, 1.0)])
    assert (first.first_s, first.last_s) == (1.0, 3.0)  # its second step has two requests
    assert (second.first_s, second.last_s) == (2.5, 3.5)


def test_a_request_without_a_slot_waits_for_one(model: ModuleType) -> None:
    engine = model.Engine(slots=1, step_s=lambda n: 1.0)
    requests = [model.Request(0.0, 1, 3, 1.0), model.Request(0.0, 1, 3, 1.0)]
    assert [one.first_s for one in model.simulate(engine, requests)] == [1.0, 4.0]


def test_a_freed_slot_misses_the_step_that_begins_at_once(model: ModuleType) -> None:
    engine = model.Engine(slots=2, step_s=lambda n: 1.0, hop_s=0.1)
    requests = [model.Request(0.0, 1, 1, 1.0), model.Request(0.0, 1, 5, 1.0), model.Request(0.0, 1, 1, 1.0)]
    short, last, _ = model.simulate(engine, requests)
    assert short.first_s == pytest.approx(1.2)
    assert last.first_s == pytest.approx(3.2)  # free at 1.2, joins the step from 2.1 to 3.1


def test_requests_that_take_turns_get_their_first_audio_in_turn(model: ModuleType) -> None:
    engine = model.Engine(slots=8, step_s=lambda n: 1.0, by_turns=True)
    served = model.simulate(engine, [model.Request(0.0, 1, 2, 1.0) for _ in range(3)])
    assert [(one.first_s, one.last_s) for one in served] == [(1.0, 4.0), (2.0, 5.0), (3.0, 6.0)]


def test_one_slot_of_constant_service_has_the_mean_wait_of_an_m_d_1_queue(model: ModuleType) -> None:
    load = 0.7
    engine = model.Engine(slots=1, step_s=lambda n: 1.0)
    requests = [model.Request(at_s, 1, 1, 1.0) for at_s in model.arrivals(load, 40_000, seed=3)]
    waits = [one.first_s - 1.0 for one in model.simulate(engine, requests)]
    assert sum(waits) / len(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.05)


def test_streams_grow_until_the_engine_is_full(model: ModuleType) -> None:
    def work(rng: random.Random) -> object:
        return model.Request(0.0, 1, 10, 10.0)

    engine = model.Engine(slots=64, step_s=lambda n: 0.1 * n)  # 1 s of work for 10 s of audio: 10 streams at most
    relaxed, strict = (model.streams(engine, work, target_s) for target_s in (3.0, 0.5))
    assert 0 < strict < relaxed < 10
    assert model.streams(model.Engine(64, lambda n: math.inf), work, 1.0) == 0
