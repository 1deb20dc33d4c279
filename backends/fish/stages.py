"""The three stages of the pipeline on files; ``__main__`` is their command line."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from backends.base import Audio, Codes
from backends.common.device import pick_device, pick_dtype
from backends.common.seeds import piece_seed
from backends.errors import InvalidJob
from backends.fish.generation import Codec, Generation, LanguageModelEngine, Sampling, Sequence, VoicePrompt
from backends.fish.options import FishOptions
from backends.fish.references import read_audio, read_codes, resample
from backends.hub import Hub
from backends.npy import read_npy

WHERE = "voxgate fish"


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """The input of the second stage.

    :param prompt_tokens: an ``.npy`` file of codes.
    :param samples: number of results; the first has the seed itself.
    """

    text: str
    options: FishOptions
    prompt_tokens: Path | None
    seed: int
    samples: int


@contextmanager
def _bar(console: Console) -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield bar


class LoadingBar:
    """Progress of loading on a bar; see ``backends.base.Progress``."""

    def __init__(self, bar: Progress):
        self._bar = bar
        self._task = bar.add_task("loading", total=None)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """Show the stage."""
        self._bar.update(self._task, description=stage, completed=done, total=total)


class Stages:
    """The stages of one generation.

    :param device: as in an engine's configuration.
    """

    def __init__(self, generation: Generation, hub: Hub, device: str, console: Console):
        self._generation = generation
        self._sizes = generation.sizes
        self._hub = hub
        self._device = pick_device(device, WHERE)
        self._console = console

    def encode(self, audio: Path, output: Path, reconstruct: Path | None) -> None:
        """Encode a recording to codes, int64 of shape (K, T).

        :param reconstruct: a WAV file for the decoded codes.
        :raises ValueError: if the recording cannot be read.
        :raises InvalidJob: if it is too short or too long.
        :raises LoadError: if the codec cannot be loaded.
        """
        for path in (output, reconstruct):
            _check_folder(path)
        samples, rate_hz = read_audio(audio)
        prompt = resample(samples, rate_hz, self._sizes, param=str(audio))
        codec = self._codec()
        started_s = time.perf_counter()
        (codes,) = codec.encode([prompt])
        took_s = time.perf_counter() - started_s
        _save(output, codes.astype(np.int64))
        audio_s = len(prompt) / self._sizes.rate_hz
        self._print(f"{output}: {codes.shape[1]} frames of {audio_s:.2f} s, encoded in {took_s:.2f} s")
        if reconstruct is not None:
            self._write_wav(reconstruct, codec.decode([codes])[0])

    def decode(self, codes: Path, output: Path) -> None:
        """Decode codes to a 16-bit WAV file.

        :raises OSError: if a file cannot be read or written.
        :raises InvalidJob: if the file does not contain codes.
        :raises LoadError: if the codec cannot be loaded.
        """
        _check_folder(output)
        data = codes.read_bytes()
        codec = self._codec()
        frames = read_codes(data, self._sizes.codebooks, codec.codebook_size, param=str(codes))
        started_s = time.perf_counter()
        (samples,) = codec.decode([frames])
        self._write_wav(output, samples, f", decoded in {time.perf_counter() - started_s:.2f} s")

    def generate(self, request: GenerateRequest, dtype: str, folder: Path) -> None:
        """Generate codes, ``codes_0.npy`` …: shape (K, T), int32, or the type of the prompt's codes.

        :raises InvalidJob: if the text cannot be spoken or does not fit the model.
        :raises LoadError: if the model cannot be loaded.
        :raises ValueError: if some samples failed; the others are written.
        """
        options = request.options
        _check_folder(folder / "codes_0.npy")
        codes: Codes = self._sizes.no_codes
        kind: np.dtype[np.integer] = np.dtype(np.int32)
        if request.prompt_tokens is not None:
            codes, kind = self._read_prompt(request.prompt_tokens)
        elif options.prompt_text is not None:
            raise InvalidJob("is the transcript of --prompt-tokens, which are missing", param="--prompt-text")
        with _bar(self._console) as bar:
            torch_dtype = pick_dtype(dtype, self._device, WHERE)
            name, front_end, lm = self._generation.load_lm(self._hub, self._device, torch_dtype, LoadingBar(bar))
        voice = VoicePrompt(options.speaker, options.prompt_text or "", "--prompt-text")
        prompt = front_end.prompt(front_end.encode(request.text, options, voice), codes)
        for index in range(request.samples):
            seed = piece_seed(request.seed, index)
            lm.add(Sequence(("", index), prompt, seed, Sampling.of(options), options.max_new_tokens))
        self._print(f"{name}: prompt of {prompt.shape[1]} tokens")
        started_s = time.perf_counter()
        results, failures, steps = self._run(lm, request.samples)
        took_s = time.perf_counter() - started_s
        frame_s = self._sizes.samples_per_frame / self._sizes.rate_hz
        for index, result in enumerate(results):
            path = folder / f"codes_{index}.npy"
            if index in failures:
                self._print(f"{path}: not written: {failures[index]}")
                continue
            _save(path, result.astype(kind))
            self._print(f"{path}: {result.shape[1]} frames, {result.shape[1] * frame_s:.2f} s")
        frames = sum(result.shape[1] for result in results)
        self._print(
            f"{frames} tokens in {took_s:.2f} s: {frames / took_s:.1f} tokens/s; "
            f"weights read at {lm.weight_bytes * steps / took_s / 1e9:.1f} GB/s"
        )
        if failures:
            raise ValueError(f"{len(failures)} of {request.samples} samples failed")

    def _read_prompt(self, path: Path) -> tuple[Codes, np.dtype[np.integer]]:
        """The prompt's codes, and the type of the results: that of the file if all codes fit into it, else int32."""
        # Without the codec at hand, the language model's table bounds the codes.
        codebook_size = self._generation.lm_codebook_size
        data = path.read_bytes()
        codes = read_codes(data, self._sizes.codebooks, codebook_size, str(path))
        stored = read_npy(data).dtype
        return codes, stored if np.iinfo(stored).max >= codebook_size - 1 else np.dtype(np.int32)

    def _run(self, lm: LanguageModelEngine, samples: int) -> tuple[list[Codes], dict[int, str], int]:
        """Generate until every sequence has ended; return codes, failures by index, and the number of steps."""
        parts: list[list[Codes]] = [[self._sizes.no_codes] for _ in range(samples)]
        failures: dict[int, str] = {}
        steps = 0
        with _bar(self._console) as bar:
            task = bar.add_task("generating", total=None)
            while len(lm):
                steps += 1
                for output in lm.step():
                    _, index = output.id
                    if output.failure is not None:
                        failures[index] = output.failure
                    parts[index].append(output.codes)
                bar.update(task, completed=steps)
        return [np.concatenate(part, axis=1) for part in parts], failures, steps

    def _codec(self) -> Codec:
        with _bar(self._console) as bar:
            return self._generation.load_codec(self._hub, self._device, LoadingBar(bar))

    def _write_wav(self, path: Path, samples: Audio, note: str = "") -> None:
        try:
            soundfile.write(path, samples, self._sizes.rate_hz, format="WAV", subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} cannot be written: {error}") from None
        self._print(f"{path}: {len(samples) / self._sizes.rate_hz:.2f} s{note}")

    def _print(self, line: str) -> None:
        self._console.print(line, soft_wrap=True)


def _check_folder(path: Path | None) -> None:
    """Reject a path in a missing folder, before minutes of work are lost to it."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")


def _save(path: Path, codes: Codes) -> None:
    with path.open("wb") as file:  # given a path, numpy would append .npy to its name
        np.save(file, codes)
