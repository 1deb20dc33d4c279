"""One side of ``engines.py f5`` in a process of its own: Voxgate's engine, or the official ``F5TTS``.

Reads a JSON command per line from standard input and answers with a JSON line. ``{"text", "nfe", "concurrency",
"requests", "stream"}`` synthesizes the text ``requests`` times with ``concurrency`` requests in flight.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import threading
import time
import types
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from importlib.machinery import ModuleSpec
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

import soundfile

RATE_HZ = 24000
BYTES_PER_MAXRSS = 1 if sys.platform == "darwin" else 1024
UNUSED = ("cached_path", "datasets", "wandb")  # imported by f5_tts for training and downloads


class Side(Protocol):
    """A side of the comparison. ``run`` returns latencies, times to first audio and duration of audio, in seconds."""

    name: str

    def run(self, command: dict[str, Any]) -> tuple[list[float], list[float], float]: ...


class Voxgate:
    """The engine, driven as a worker drives it, without other processes."""

    def __init__(self, arguments: argparse.Namespace):
        sys.path.insert(0, str(Path(__file__).parents[1]))
        from backends.base import AudioChunk, EngineConfig, Failed, Finished, Job, Reference
        from backends.f5.plugin import F5Plugin

        self._chunk, self._finished, self._failed, self._job = AudioChunk, Finished, Failed, Job
        model = {"checkpoint": arguments.checkpoint, "vocoder": arguments.vocoder}
        if arguments.architecture:
            model["architecture"] = arguments.architecture
        config = EngineConfig(
            "f5", device=arguments.device, dtype=arguments.dtype, threads=arguments.threads, model=model
        )
        self._engine = F5Plugin(config).load()
        audio, rate_hz = soundfile.read(arguments.reference, dtype="float32")
        self._reference = Reference(audio, rate_hz, arguments.reference_text, "benchmark")
        self.name = self._engine.capabilities.model

    def run(self, command: dict[str, Any]) -> tuple[list[float], list[float], float]:
        sent_at: dict[str, float] = {}
        first_at: dict[str, float] = {}
        latencies: list[float] = []
        samples = sent = 0
        while len(latencies) < command["requests"]:
            while sent < command["requests"] and len(sent_at) < command["concurrency"]:
                sent_at[str(sent)] = time.perf_counter()
                job = self._job(
                    str(sent),
                    command["text"],
                    seed=sent,
                    reference=self._reference,
                    stream=command["stream"],
                    options={"nfe": command["nfe"]},
                )
                self._engine.add(job)
                sent += 1
            for event in self._engine.step():
                now = time.perf_counter()
                match event:
                    case self._chunk():
                        first_at.setdefault(event.job_id, now - sent_at[event.job_id])
                        samples += len(event.samples)
                    case self._finished():
                        latencies.append(now - sent_at.pop(event.job_id))
                    case self._failed():
                        raise RuntimeError(event.message)
        return latencies, list(first_at.values()), samples / RATE_HZ


class Official:
    """``F5TTS.infer``, one request after another, or from one thread per client.

    With ``stream``, it does what its socket server does: ``infer_batch_process(streaming=True)``, one chunk at a time.
    """

    def __init__(self, arguments: argparse.Namespace):
        import torch
        import torchaudio

        with _stand_ins():
            from f5_tts.api import F5TTS
            from f5_tts.infer import utils_infer

        torchaudio.load = _load_audio
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        self._utils = utils_infer
        self._tts = F5TTS(
            model=_configuration(arguments.architecture or "F5TTS_v1_Base"),
            ckpt_file=arguments.checkpoint,
            vocoder_local_path=arguments.vocoder,
            device=None if arguments.device == "auto" else arguments.device,
        )
        self._reference, self._text = arguments.reference, arguments.reference_text
        self._threads = arguments.official_threads
        self._once = threading.Lock()
        dtype = str(next(self._tts.ema_model.parameters()).dtype).removeprefix("torch.")
        self.name = f"f5_tts.api.F5TTS {dtype}{', a thread for each client' if self._threads else ''}"

    def _infer(self, text: str, nfe: int, seed: int) -> float:
        wave, rate_hz, _ = self._tts.infer(
            self._reference, self._text, text, show_info=_silent, progress=None, nfe_step=nfe, seed=seed
        )
        return len(wave) / rate_hz

    def _stream(self, text: str, nfe: int, seed: int) -> tuple[float, float]:
        """Return the time to first audio and the duration of the audio, in seconds."""
        import torch

        began_at = time.perf_counter()
        torch.manual_seed(seed)
        path, ref_text = self._utils.preprocess_ref_audio_text(self._reference, self._text, show_info=_silent)
        audio, rate_hz = self._utils.torchaudio.load(path)
        ref_s = audio.shape[-1] / rate_hz
        pieces = self._utils.chunk_text(text, max_chars=int(len(ref_text.encode()) / ref_s * (22 - ref_s)))
        tts = self._tts
        chunks = self._utils.infer_batch_process(
            (audio, rate_hz), ref_text, pieces, tts.ema_model, tts.vocoder, tts.mel_spec_type,
            progress=None, nfe_step=nfe, device=tts.device, streaming=True,
        )  # fmt: skip
        first_s, samples = 0.0, 0
        for chunk, _ in chunks:
            first_s = first_s or time.perf_counter() - began_at
            samples += len(chunk)
        return first_s, samples / RATE_HZ

    def run(self, command: dict[str, Any]) -> tuple[list[float], list[float], float]:
        latencies: list[float] = []
        firsts: list[float] = []
        audio_s = 0.0

        def one(seed: int, sent_at: float) -> None:
            nonlocal audio_s
            if command["stream"]:
                first_s, seconds = self._stream(command["text"], command["nfe"], seed)
                first = time.perf_counter()
                firsts.append(first_s)
            else:
                seconds = self._infer(command["text"], command["nfe"], seed)
                first = time.perf_counter()
                firsts.append(first - sent_at)
            with self._once:
                latencies.append(first - sent_at)
                audio_s += seconds

        (self._crowd if self._threads else self._queue)(command, one)
        return latencies, firsts, audio_s

    @staticmethod
    def _queue(command: dict[str, Any], one: Callable[[int, float], None]) -> None:
        """Serve clients one after another; each sends its next request after its response."""
        now = time.perf_counter()
        waiting = deque([now] * min(command["concurrency"], command["requests"]))
        sent = len(waiting)
        for number in range(command["requests"]):
            one(number, waiting.popleft())
            if sent < command["requests"]:
                waiting.append(time.perf_counter())
                sent += 1

    @staticmethod
    def _crowd(command: dict[str, Any], one: Callable[[int, float], None]) -> None:
        """Serve each client from a thread of its own, with one model."""
        numbers = iter(range(command["requests"]))
        lock = threading.Lock()

        def client() -> None:
            while True:
                with lock:
                    number = next(numbers, None)
                if number is None:
                    return
                one(number, time.perf_counter())

        threads = [threading.Thread(target=client) for _ in range(command["concurrency"])]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


@contextmanager
def _stand_ins() -> Iterator[None]:
    """Replace packages that f5_tts imports but inference does not use by empty modules."""
    import accelerate
    import transformers

    # Both check for these packages on import, so they must be imported before the packages are replaced.
    _ = transformers.pipeline, accelerate.Accelerator
    kept = {name: sys.modules.pop(name) for name in UNUSED if name in sys.modules}
    for name in UNUSED:
        module = types.ModuleType(name)
        module.__spec__ = ModuleSpec(name, None)
        module.__getattr__ = _unused  # type: ignore[method-assign]
        sys.modules[name] = module
    yield
    for name in UNUSED:
        del sys.modules[name]
    sys.modules.update(kept)


def _unused(name: str) -> type:
    """Return a placeholder for any imported attribute."""
    if name.startswith("__"):
        raise AttributeError(name)
    return object


def _load_audio(path: str) -> tuple[Any, int]:
    """Replace ``torchaudio.load``, which needs torchcodec and FFmpeg's libraries: samples of shape (channels, N)."""
    import torch

    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return torch.from_numpy(samples.T.copy()), rate_hz


def _configuration(architecture: str) -> str:
    """Return the name that ``F5TTS`` expects: a preset, or a YAML file relative to the presets' folder."""
    if not architecture.endswith(".yaml"):
        return architecture
    return os.path.relpath(architecture, str(files("f5_tts").joinpath("configs"))).removesuffix(".yaml")


def _silent(*_: object) -> None:
    """Replacement for print."""


def peak_memory_mb() -> dict[str, float]:
    """Peak resident memory of this process, and peak memory allocated on the GPU, both with the weights."""
    import torch

    peak = {"resident": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * BYTES_PER_MAXRSS / 2**20}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peak["gpu"] = torch.cuda.max_memory_allocated() / 2**20
    return peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=["voxgate", "official"])
    for name in ("checkpoint", "vocoder", "architecture", "reference", "reference_text", "device", "dtype"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--official_threads", action="store_true")
    arguments = parser.parse_args()
    answers = os.fdopen(os.dup(1), "w")
    with redirect_stdout(sys.stderr):
        side: Side = (Voxgate if arguments.side == "voxgate" else Official)(arguments)
        print(json.dumps({"ready": side.name}), file=answers, flush=True)
        for line in sys.stdin:
            command = json.loads(line)
            began_at = time.perf_counter()
            latencies, firsts, audio_s = side.run(command)
            result = {"latencies_s": sorted(latencies), "first_s": sorted(firsts), "audio_s": audio_s}
            result |= {"wall_s": time.perf_counter() - began_at, "peak_mb": peak_memory_mb()}
            print(json.dumps(result), file=answers, flush=True)


if __name__ == "__main__":
    main()
