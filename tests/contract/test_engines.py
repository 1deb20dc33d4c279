"""The contract tests of ``backends.testing``, run on every registered engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.engines import DEFAULTS, FAILING_TEXT, write_f5, write_fish

from backends.base import EngineConfig
from backends.registry import Registry
from backends.testing import EngineContract, EngineProfile


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Tiny networks are faster on one thread, above all on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class TestTone(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        return EngineProfile(Registry().plugin_class("tone"), failing_job={"options": {"fail_at": 1}})


class TestLite(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        failing = {"text": "One. Two.", "speed": 1.2345}
        return EngineProfile(Registry().plugin_class("lite"), unsupported_text="你好", failing_job=failing)

    @pytest.fixture(autouse=True)
    @staticmethod
    def failing_speed(monkeypatch: pytest.MonkeyPatch) -> None:
        """Make the model fail at the speed of ``failing_job``; no text is known that makes it fail."""
        from hibari import Hibari

        from_ids = Hibari.from_ids

        def fail(self: Hibari, ids: Any, speed: float, rng: np.random.Generator) -> Any:
            if speed == 1.2345:
                raise RuntimeError("failing_speed")
            return from_ids(self, ids, speed, rng)

        monkeypatch.setattr(Hibari, "from_ids", fail)


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
class TestF5(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        return EngineProfile(
            Registry().plugin_class("f5"),
            EngineConfig("f5", dtype="float32", threads=1, model=write_f5(folder), defaults=DEFAULTS["f5"]),
            unsupported_text="Привет",
            failing_job={"text": FAILING_TEXT},
        )


@pytest.mark.slow
@pytest.mark.usefixtures("one_thread")
class TestFish(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        # int8: the weights whose kernels take most care to compute a row alike in any batch
        model = {**write_fish(folder), "quantize": "int8"}
        return EngineProfile(
            Registry().plugin_class("fish"),
            EngineConfig("fish", threads=1, model=model, defaults=DEFAULTS["fish"]),
            long_text="The first sentence is long enough to be heard. A second one follows at once, and ends.",
            unsupported_text="Привет",
            failing_job={"text": FAILING_TEXT},
        )


def test_every_registered_engine_is_tested() -> None:
    tested = {"f5": TestF5, "fish": TestFish, "lite": TestLite, "tone": TestTone}
    assert sorted(tested) == Registry().names(), "add a class to this module"
