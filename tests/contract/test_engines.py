"""The contract tests of ``backends.testing``, run on every registered engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from backends.base import EngineConfig
from backends.registry import Registry
from backends.testing import EngineContract, EngineProfile

POISON = "Q"
"""A character whose embedding is NaN in the synthetic checkpoints: text with it fails while it is generated."""


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
        return EngineProfile(Registry().engine_class("tone"), failing_job={"options": {"fail_at": 1}})


class TestLite(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        failing = {"text": "One. Two.", "speed": 1.2345}
        return EngineProfile(Registry().engine_class("lite"), unsupported_text="你好", failing_job=failing)

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


@pytest.mark.usefixtures("one_thread")
class TestF5(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        import torch
        from safetensors.torch import load_file, save_file
        from support.f5.sampling import write_model

        from backends.f5.vocabulary import package_file

        model = write_model(folder, "tiny")
        weights = load_file(model["checkpoint"])
        symbols = package_file("infer/examples/vocab.txt").read_text().split("\n")
        weights["ema_model.transformer.text_embed.text_embed.weight"][symbols.index(POISON) + 1] = torch.nan
        save_file(weights, model["checkpoint"])
        # Room for a long job and a short one together, but not for two long ones.
        block = {**model, "voices": _clip(folder), "max_batch_frames": 1000}
        return EngineProfile(
            Registry().engine_class("f5"),
            EngineConfig("f5", dtype="float32", threads=1, model=block, defaults={"nfe": 5}),
            unsupported_text="Привет",
            failing_job={"text": f"One. {POISON}."},
            tolerance=1e-4,
        )


@pytest.mark.usefixtures("one_thread")
class TestFish(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        import torch
        from support.fish.model import write_model
        from tokenizers import Tokenizer

        # int8: the weights whose kernels take most care to compute a row alike in any batch
        model = {**write_model(folder), "quantize": "int8"}
        weights = torch.load(model["lm_checkpoint"], weights_only=True)
        poisoned = Tokenizer.from_file(f"{model['tokenizer']}/tokenizer.json").token_to_id(POISON)
        weights["embeddings.weight"][poisoned] = torch.nan
        torch.save(weights, model["lm_checkpoint"])
        defaults = {"max_new_tokens": 24, "use_g2p": False, "chunk_length": 60}
        return EngineProfile(
            Registry().engine_class("fish"),
            EngineConfig("fish", threads=1, model=model, defaults=defaults),
            long_text="The first sentence is long enough to be heard. A second one follows at once, and ends.",
            unsupported_text="Привет",
            failing_job={"text": f"One. {POISON}."},
            tolerance=2e-6,  # of the codec, where windows share a pass
        )


def _clip(folder: Path) -> str:
    """A folder with one short reference clip; the shipped ones take 5 s, which every sample would carry."""
    clips = folder / "voices"
    clips.mkdir()
    time_s = np.arange(24000) / 24000
    soundfile.write(clips / "hum.wav", 0.3 * np.sin(2 * np.pi * 150 * time_s) * np.sin(2 * np.pi * 4 * time_s), 24000)
    (clips / "hum.txt").write_text("This is what it says.")
    return str(clips)


def test_every_registered_engine_is_tested() -> None:
    tested = {"f5": TestF5, "fish": TestFish, "lite": TestLite, "tone": TestTone}
    assert sorted(tested) == Registry().names(), "add a class to this module"
