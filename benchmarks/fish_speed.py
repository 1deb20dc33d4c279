"""Speed of Fish-Speech's language model, compared with the limit that memory bandwidth sets.

Decoding reads all weights once per frame, so one sequence reaches at most bandwidth divided by the size of the weights.
Each kind of weights is measured in a process of its own. With ``--official CHECKOUT`` (a tree of Fish-Speech v0.2.0),
the classic code generates from the same weights and prompt, taking turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import types
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "gpu")]
OPENMP_ENV = {"GOMP_SPINCOUNT": "3000"}  # the gateway's setting for workers; both sides get it
RATE_HZ = 22050
FRAMES_PER_S = RATE_HZ / 1024
PROMPT_TEXT_IDS, PROMPT_FRAMES = 60, 150  # a sentence and 7 s of a voice
CONCURRENCY = (1, 4, 16)
MAX_TOKENS = 1024  # of a sequence, including its prompt
KINDS = {"float32": ("float32", None), "bfloat16": ("bfloat16", None), "int8": ("bfloat16", "int8")}
SPOKEN_S = 4.0
VOCABULARY = 36408


def prompt(vocabulary: int) -> np.ndarray:
    """A random prompt of typical size, shape (1 + K, T), T in tokens."""
    random = np.random.default_rng(1)
    made = np.zeros((5, PROMPT_TEXT_IDS + PROMPT_FRAMES), np.int32)
    made[0, :PROMPT_TEXT_IDS] = random.integers(300, min(30_000, vocabulary), PROMPT_TEXT_IDS)
    made[0, PROMPT_TEXT_IDS:] = 4
    made[1:, PROMPT_TEXT_IDS:] = random.integers(2, 162, (4, PROMPT_FRAMES))
    return made


class Voxgate:
    """The language model, driven as the engine drives it, and the codec.

    :param block: the engine's ``model:`` block, with paths.
    :param dtype: as in the engine's configuration.
    """

    def __init__(self, block: dict[str, Any], device: str, dtype: str, quantize: str | None = None):
        import torch

        from backends.common.device import pick_dtype
        from backends.fish.v0_2.codec.checkpoint import load_vqgan
        from backends.fish.v0_2.config import LMConfig
        from backends.fish.v0_2.lm.checkpoint import load_language_model

        self._device = torch.device(device)
        self._config = LMConfig(**block.get("lm_config", {}))
        self._model = load_language_model(
            Path(block["lm_checkpoint"]),
            self._config,
            self._device,
            pick_dtype(dtype, self._device, "benchmark"),
            quantize,
            "benchmark",
        )
        self._codec = load_vqgan(Path(block["codec_checkpoint"]), self._device)
        self.dtype = str(self._model.dtype).removeprefix("torch.")
        self.weight_bytes = self._model.weight_bytes
        sizes = self._model.sizes
        self.token_bytes = 2 * self._config.n_layer * sizes.kv_heads * sizes.head_dim * self._model.dtype.itemsize

    def start(self, slots: int, graphs: bool) -> tuple[Any, float]:
        """Start a language model with all slots busy, and the time it took to read a prompt."""
        from backends.fish.generation import Sequence
        from backends.fish.v0_2.lm.engine import LMEngine

        room = min(MAX_TOKENS, self._config.max_seq_len)
        lm = LMEngine(self._model, slots, room, eos_id=-1, compile=graphs, codes=160)
        began_at = time.perf_counter()
        for index in range(slots):
            lm.add(Sequence((str(index), 0), prompt(self._config.vocab_size), index))
        while lm.active < slots:
            lm.step()
        prefill_s = (time.perf_counter() - began_at) / slots
        for _ in range(3):
            lm.step()
        return lm, prefill_s

    @staticmethod
    def go_on(lm: Any, frames: int) -> float:
        """Generate frames; returns frames per second of all slots together."""
        slots = lm.active
        began_at = time.perf_counter()
        for _ in range(frames):
            lm.step()
        took_s = time.perf_counter() - began_at
        if lm.active < slots:
            raise SystemExit("a sequence ended early; there is nothing to compare")
        return slots * frames / took_s

    def frames_per_s(self, slots: int, frames: int) -> dict[str, float]:
        """Return the time per prompt, and the frames per second of all slots together."""
        lm, prefill_s = self.start(slots, graphs=self._device.type == "cuda")
        return {"prefill_s": prefill_s, "frames_per_s": self.go_on(lm, frames)}

    def decode_s_per_s(self) -> float:
        """Seconds of work per second of audio, decoded in windows like the engine."""
        from backends.fish.v0_2.codec.stream import StreamDecoder

        codes = np.random.default_rng(2).integers(0, 160, (4, round(SPOKEN_S * FRAMES_PER_S)))
        times = []
        for _ in range(3):
            decoder = StreamDecoder(self._codec)
            began_at = time.perf_counter()
            decoder.push(("a", 0), codes, last=True)
            while len(decoder):
                decoder.step()
            times.append(time.perf_counter() - began_at)
        return min(times) / SPOKEN_S


class Official:
    """The ``generate`` of Fish-Speech v0.2.0 on the same weights."""

    def __init__(self, arguments: argparse.Namespace):
        import torch

        tree = Path(arguments.official)
        llama = _module("llama", tree / "fish_speech/models/text2semantic/llama.py")
        # generate.py imports what only its command line needs; of that nothing is used here.
        for name, attributes in {
            "hydra": ("compose", "initialize"),
            "hydra.utils": ("instantiate",),
            "loguru": ("logger",),
            "fish_speech": (),
            "fish_speech.text": ("g2p",),
            "fish_speech.text.parser": ("clean_text",),
            "fish_speech.text.symbols": ("pad", "pu_symbols"),
            "fish_speech.models": (),
            "fish_speech.models.text2semantic": (),
        }.items():
            stand_in = types.ModuleType(name)
            for attribute in attributes:
                setattr(stand_in, attribute, None)
            sys.modules[name] = stand_in
        sys.modules["fish_speech.models.text2semantic.llama"] = llama
        self._generate = _module("generate", tree / "tools/llama/generate.py")
        self._generate.tqdm = lambda steps: steps
        dtype = getattr(torch, KINDS[arguments.kind][0])
        sizes = llama.ModelArgs(
            vocab_size=VOCABULARY, n_layer=24, n_head=16, dim=1024, max_seq_len=4096, num_codebooks=4, codebook_size=168
        )
        self._model = llama.Transformer(sizes)
        state = torch.load(arguments.checkpoint, weights_only=True, mmap=True)
        self._model.load_state_dict({**self._model.state_dict(), **state}, assign=True)
        self._model = self._model.to(dtype).eval().to(arguments.device)
        self._dtype, self._device = dtype, arguments.device
        self.weight_bytes = 0

    def frames_per_s(self, slots: int, frames: int) -> dict[str, float]:
        """Generate one sequence; more are not supported."""
        import torch

        asked = torch.from_numpy(prompt(VOCABULARY)).to(self._device)
        times = []
        for count in (2, frames + 2):
            torch.manual_seed(0)
            began_at = time.perf_counter()
            made = self._generate.generate(
                model=self._model,
                prompt=asked,
                max_new_tokens=count,
                eos_token_id=-1,
                precision=self._dtype,
                temperature=0.7,
                top_p=0.5,
                repetition_penalty=1.5,
            )
            times.append(time.perf_counter() - began_at)
            if made.shape[1] < asked.shape[1] + count:
                raise SystemExit("the official side ended early; there is nothing to compare")
        return {"prefill_s": times[0], "frames_per_s": frames / (times[1] - times[0])}


def _module(name: str, path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def serve_side(arguments: argparse.Namespace) -> None:
    """Answer each command line with a JSON line."""
    import cards
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    if arguments.official:
        side: Official | Voxgate = Official(arguments)
    else:
        block = {"lm_checkpoint": arguments.checkpoint, "codec_checkpoint": arguments.codec}
        side = Voxgate(block, arguments.device, *KINDS[arguments.kind])
    for line in sys.stdin:
        command = json.loads(line)
        with torch.inference_mode():
            match command.pop("do"):
                case "generate":
                    answer: dict[str, float] = side.frames_per_s(**command)
                case "decode":
                    answer = {"decode_s_per_s": side.decode_s_per_s()}  # type: ignore[union-attr]
                case "bandwidth":
                    answer = {"gb_s": cards.bandwidth_gb_s(arguments.device)}
        answer["weight_gb"] = side.weight_bytes / 1e9
        answer["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(answer), flush=True)


class Side:
    """A side of the comparison in a process of its own."""

    def __init__(self, flags: list[str]):
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__)), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if not os.environ.get("BENCHMARK_VERBOSE") else None,
            text=True,
            env={**OPENMP_ENV, **os.environ},
        )

    def ask(self, do: str, **command: Any) -> dict[str, float]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"do": do, **command}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("one side ended; see why with BENCHMARK_VERBOSE=1")
        answer: dict[str, float] = json.loads(line)
        return answer

    def stop(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)


def run(arguments: argparse.Namespace, hardware: str) -> None:
    """Print the tables."""
    import torch
    import weights

    print(
        f"{hardware}, load average {os.getloadavg()[0]:.1f} before the start; Python {platform.python_version()}, "
        f"torch {torch.__version__}"
    )
    print(
        f"Random weights of the 400M model; prompts of {PROMPT_TEXT_IDS} text ids and {PROMPT_FRAMES} frames, then "
        f"{arguments.frames} frames; medians of {arguments.rounds} run(s). Real time is {FRAMES_PER_S:.1f} frames/s.\n"
    )
    with tempfile.TemporaryDirectory() as name:
        os.environ.setdefault(weights.FOLDER_VARIABLE, name)
        block = weights.fish(device=arguments.device)
        flags = [f"--checkpoint={block['lm_checkpoint']}", f"--codec={block['codec_checkpoint']}"]
        flags.append(f"--device={arguments.device}")
        flags += [f"--threads={arguments.threads}"] if arguments.threads else []
        print("| weights | slots | frames/s | times real time | share of bandwidth | prompt, s |", end="")
        print(" official frames/s | ratio |" if arguments.official else "")
        print("| --- " * (8 if arguments.official else 6) + "|", flush=True)
        tails = []
        for kind in arguments.kinds.split(","):
            tails.append(_measure(kind, flags, arguments))
    print()
    for tail in tails:
        print(tail)


def _measure(kind: str, flags: list[str], arguments: argparse.Namespace) -> str:
    ours = Side([*flags, f"--kind={kind}"])
    gb_s = ours.ask("bandwidth")["gb_s"]
    theirs = None
    if arguments.official and kind != "int8":  # the official int8 path needs a GPU
        theirs = Side([*flags, f"--kind={kind}", f"--official={arguments.official}"])
    answer: dict[str, float] = {}
    for slots in CONCURRENCY:
        runs, official_runs = [], []
        for _ in range(arguments.rounds):
            runs.append(ours.ask("generate", slots=slots, frames=arguments.frames))
            if theirs is not None and slots == 1:
                official_runs.append(theirs.ask("generate", slots=1, frames=arguments.frames))
        rate = statistics.median(answer["frames_per_s"] for answer in runs)
        answer = runs[-1]
        share = rate / slots * answer["weight_gb"] / gb_s
        cells = [kind, slots, f"{rate:.1f}", f"{rate / FRAMES_PER_S:.2f}", f"{share:.0%}", f"{answer['prefill_s']:.2f}"]
        if arguments.official:
            official = statistics.median(answer["frames_per_s"] for answer in official_runs) if official_runs else None
            cells += [f"{official:.1f}", f"**{rate / official:.2f}×**"] if official else ["", ""]
        print("|", " | ".join(map(str, cells)), "|", flush=True)
    decode = ours.ask("decode")["decode_s_per_s"]
    if theirs is not None:
        theirs.stop()
    ours.stop()
    return (
        f"{kind}: weights of {answer['weight_gb']:.2f} GB, memory read at {gb_s:.1f} GB/s, decoding {decode:.2f} s "
        f"for a second of audio, peak memory {answer['peak_mb']:.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kind", default="float32")
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--codec")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--official")
    serve_side(parser.parse_args())


if __name__ == "__main__":
    main()
