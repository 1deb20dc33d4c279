"""The three stages on files; ``__main__`` is their command line.

Letters: Q codebooks, T code frames, N samples.
"""

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

from backends.base import Audio
from backends.common.device import pick_device
from backends.common.seeds import piece_seed
from backends.common.start import fetch
from backends.errors import InvalidJob, LoadError
from backends.fish.generation import Sequence
from backends.fish.options import FishOptions, sampling_of
from backends.fish.references import NO_CODES, read_audio, read_codes, to_codec_rate
from backends.fish.v0_2.codec.checkpoint import load_vqgan
from backends.fish.v0_2.codec.vqgan import VQGAN
from backends.fish.v0_2.config import CODE_OFFSET, CODE_SAMPLES, RATE_HZ, FishModel, read_lm_config
from backends.fish.v0_2.lm.engine import Generator
from backends.fish.v0_2.loading import TOKENIZER_FILES, Speller, check_vocabulary, load_lm, longest
from backends.fish.v0_2.text.languages import parse_order
from backends.fish.v0_2.text.phonemizer import Phonemizer
from backends.fish.v0_2.text.prompt import Codes, with_codes
from backends.fish.v0_2.text.tokenizer import load_tokenizer
from backends.hub import Hub
from backends.npy import read_npy

WHERE = "voxgate fish"
FRAMES_PER_S = RATE_HZ / CODE_SAMPLES


@dataclass(frozen=True, slots=True)
class Reading:
    """What ``generate`` is to read, and how often.

    :param prompt_tokens: an ``.npy`` file of codes.
    :param samples: how many readings; the first has the seed itself.
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


class Told:
    """Progress of loading, on a bar."""

    def __init__(self, bar: Progress):
        self._bar = bar
        self._task = bar.add_task("loading", total=None)

    def __call__(self, stage: str, done: int, total: int | None) -> None:
        """See ``backends.base.Progress``."""
        self._bar.update(self._task, description=stage, completed=done, total=total)


class Stages:
    """The stages with what they have in common.

    :param device: as in an engine's configuration.
    """

    def __init__(self, hub: Hub, device: str, console: Console):
        self._hub = hub
        self._device = pick_device(device, WHERE)
        self._console = console

    def encode(self, audio: Path, output: Path, reconstruct: Path | None, codec_checkpoint: str) -> None:
        """A clip to codes, int64 of shape (Q, T).

        :raises ValueError: the clip cannot be read.
        :raises InvalidJob: it is too short or too long.
        :raises LoadError: there is no such codec.
        """
        for path in (output, reconstruct):
            _require_folder(path)
        samples, rate_hz = read_audio(audio)
        prompt = to_codec_rate(samples, rate_hz, param=str(audio))
        codec = self._codec(codec_checkpoint)
        began_at = time.perf_counter()
        (codes,) = codec.encode([prompt])
        took_s = time.perf_counter() - began_at
        _save(output, codes.astype(np.int64))
        self._say(f"{output}: {codes.shape[1]} frames of {len(prompt) / RATE_HZ:.2f} s, in {took_s:.2f} s")
        if reconstruct is not None:
            self._write_wav(reconstruct, codec.decode([codes])[0])

    def decode(self, codes: Path, output: Path, codec_checkpoint: str) -> None:
        """Codes to a 16-bit WAV.

        :raises OSError: a file cannot be read or written.
        :raises InvalidJob: the file holds no codes.
        :raises LoadError: there is no such codec.
        """
        _require_folder(output)
        data = codes.read_bytes()
        codec = self._codec(codec_checkpoint)
        frames = read_codes(data, codec.codebook_size, param=str(codes))
        began_at = time.perf_counter()
        (samples,) = codec.decode([frames])
        self._write_wav(output, samples, f", in {time.perf_counter() - began_at:.2f} s")

    def generate(self, reading: Reading, model: FishModel, dtype: str, folder: Path) -> None:
        """Text to codes, ``codes_0.npy`` …: shape (Q, T), int32, or the prompt's type where there is one.

        :raises InvalidJob: the text cannot be read, or does not fit the model.
        :raises LoadError: there is no such model.
        :raises ValueError: some readings failed; the others are written.
        """
        options = reading.options
        _require_folder(folder / "codes_0.npy")
        sizes = read_lm_config(model.lm_config, WHERE)
        codes, kind = NO_CODES, np.dtype(np.int32)
        if reading.prompt_tokens is not None:
            # The codec, which bounds its codes, is not at hand here; the table they are looked up in is.
            known = sizes.codebook_size - CODE_OFFSET
            data = reading.prompt_tokens.read_bytes()
            codes = read_codes(data, known, str(reading.prompt_tokens))
            given = read_npy(data).dtype
            kind = given if np.iinfo(given).max >= known - 1 else kind
        elif options.prompt_text is not None:
            raise InvalidJob("is what is said in --prompt-tokens, which are missing", param="--prompt-text")
        if model.compile and self._device.type != "cuda":
            raise LoadError("--compile captures CUDA graphs; it needs a GPU")
        with _bar(self._console) as bar:
            told = Told(bar)
            tokenizer = load_tokenizer(fetch(self._hub, model.tokenizer, told, TOKENIZER_FILES))
            path = fetch(self._hub, model.lm_checkpoint, told)
            told("loading the language model", 0, None)
            lm, name = load_lm(model, sizes, path, self._device, dtype, WHERE)
            check_vocabulary(tokenizer, sizes, "--tokenizer")
        speller, order = Speller(tokenizer, Phonemizer()), parse_order(options.order)
        said = ""
        if options.prompt_text:
            said = speller.transcript(options.prompt_text, options, order, "--prompt-text")
        rows = speller.rows(reading.text, said, options, options.speaker, order)
        prompt = with_codes(rows, codes, tokenizer.pad_id)
        generator = Generator(lm, reading.samples, longest(model, sizes, WHERE), tokenizer.eos_id, bool(model.compile))
        for index in range(reading.samples):
            seed = piece_seed(reading.seed, index)
            generator.add(Sequence(str(index), "", prompt, seed, sampling_of(options), options.max_new_tokens))
        self._say(f"{name}: {prompt.shape[1]} positions of prompt")
        began_at = time.perf_counter()
        made, failures, steps = _run(generator, reading.samples, self._console)
        took_s = time.perf_counter() - began_at
        for index, part in enumerate(made):
            path = folder / f"codes_{index}.npy"
            if str(index) in failures:
                self._say(f"{path} is not written: {failures[str(index)]}")
                continue
            _save(path, part.astype(kind))
            self._say(f"{path}: {part.shape[1]} frames, {part.shape[1] / FRAMES_PER_S:.2f} s")
        frames = sum(part.shape[1] for part in made)
        self._say(
            f"{frames} tokens in {took_s:.2f} s: {frames / took_s:.1f} tokens/s; "
            f"weights read at {lm.weight_bytes * steps / took_s / 1e9:.1f} GB/s"
        )
        if failures:
            raise ValueError(f"{len(failures)} of {reading.samples} readings failed")

    def _codec(self, reference: str) -> VQGAN:
        with _bar(self._console) as bar:
            return load_vqgan(fetch(self._hub, reference, Told(bar)), self._device)

    def _write_wav(self, path: Path, samples: Audio, how: str = "") -> None:
        try:
            soundfile.write(path, samples, RATE_HZ, format="WAV", subtype="PCM_16")
        except soundfile.LibsndfileError as error:
            raise ValueError(f"{path} cannot be written: {error}") from None
        self._say(f"{path}: {len(samples) / RATE_HZ:.2f} s{how}")

    def _say(self, what: str) -> None:
        self._console.print(what, soft_wrap=True)


def _run(generator: Generator, samples: int, console: Console) -> tuple[list[Codes], dict[str, str], int]:
    """Generate until every reading has ended; their codes, why some failed, and the number of steps."""
    parts: list[list[Codes]] = [[NO_CODES] for _ in range(samples)]
    failures: dict[str, str] = {}
    steps = 0
    with _bar(console) as bar:
        task = bar.add_task("generating", total=None)
        while len(generator):
            steps += 1
            for grown in generator.step():
                if grown.failure is not None:
                    failures[grown.id] = grown.failure
                parts[int(grown.id)].append(grown.codes)
            bar.update(task, completed=steps)
    return [np.concatenate(part, axis=1) for part in parts], failures, steps


def _require_folder(path: Path | None) -> None:
    """Refuse a place for a file that does not exist, before minutes of work are lost to it."""
    if path is not None and not path.parent.is_dir():
        raise ValueError(f"{path}: there is no folder {path.parent}")


def _save(path: Path, codes: Codes) -> None:
    with path.open("wb") as file:  # numpy would add an ending to a name
        np.save(file, codes)
