"""Continues prompts, one frame at a time, all of them together.

Letters: R sequences at work, n codebooks, C rows of a codebook, V text vocabulary.

Each ``step`` reads a bounded piece of the next prompt and makes one frame for every sequence whose prompt is read.

What a sequence becomes depends on its prompt, settings and seed alone, to the last bit on a CPU: noise is its own, its
prompt is read in pieces that depend on its length only, attention covers its own tokens only, and linear layers get the
same number of rows however many of them are in use, unless their kernel is known not to mind.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backends.common.device import fatal_when_lost
from backends.common.waiting import Waiting
from backends.errors import InvalidJob, LoadError
from backends.fish.generation import Grown, Sequence
from backends.fish.v0_2.config import CODE_OFFSET
from backends.fish.v0_2.lm.graphs import DeviceDecoder
from backends.fish.v0_2.lm.kv_cache import EachAlone, Prompt
from backends.fish.v0_2.lm.linear import INT8_ROWS, Rows
from backends.fish.v0_2.lm.model import LanguageModel
from backends.fish.v0_2.lm.sampling import Sampler

CHUNK = {"cpu": 32, "cuda": 1024}  # columns of a prompt read at once, some 60 ms
ROWS_STEP = 16  # they are filled up to a multiple of it: kernels are generated for each number of rows there is
LENGTH_STEP = 64  # a GPU reads masks of such lengths only
LEAST_FRAMES = 2  # the last frame is never handed out
END = 1  # the id by which a codebook ends speech


@dataclass(slots=True, eq=False)
class _Active:
    """A sequence in a slot.

    :param limit: frames made at most.
    :param length: tokens in the cache.
    :param held: the last frame's ids, which go out only when another one follows.
    """

    sequence: Sequence
    slot: int
    limit: int
    length: int = 0
    made: int = 0
    held: npt.NDArray[np.int64] | None = None


class Generator:
    """The language model at work.

    :param slots: how many sequences grow at once.
    :param max_tokens: longest sequence, prompt included.
    :param eos_id: the text id that ends speech.
    :param compile: decode by CUDA graphs, which are made here.
    :param codes: how many codes the codec knows; None: do not care.
    :raises LoadError: the model cannot do that, or memory is short.
    """

    def __init__(
        self,
        model: LanguageModel,
        slots: int,
        max_tokens: int,
        eos_id: int,
        compile: bool = False,
        codes: int | None = None,
    ):
        config, device = model.config, model.device
        if max_tokens > config.max_seq_len:
            raise LoadError(f"max_tokens {max_tokens}: the language model's context has {config.max_seq_len} tokens")
        if compile and device.type != "cuda":
            raise LoadError("compile: CUDA graphs need a GPU")
        self._model, self._slots, self._max_tokens, self._eos_id = model, slots, max_tokens, eos_id
        self._on_cpu = device.type == "cpu"
        self._chunk = CHUNK[device.type]
        self._waiting: Waiting[Sequence] = Waiting()
        self._reading: _Active | None = None
        self._active: dict[int, _Active] = {}  # by slot
        self._room = slots
        try:
            with torch.inference_mode(), fatal_when_lost():
                self._cache = model.cache(slots, -(-max_tokens // LENGTH_STEP) * LENGTH_STEP)
                self._sampler = Sampler(config, slots, device, codes)
                self._frames = torch.zeros(slots, 1 + config.num_codebooks, dtype=torch.int64, device=device)
                self._decoder = None
                if not self._on_cpu:
                    self._decoder = DeviceDecoder(model, self._cache, slots, graphs=compile)
        except RuntimeError as error:
            raise LoadError(f"no memory for {slots} sequences of {max_tokens} tokens: {error}") from error

    def __len__(self) -> int:
        return len(self._active) + (self._reading is not None) + len(self._waiting)

    @property
    def active(self) -> int:
        """How many sequences grow by a frame a step."""
        return len(self._active)

    def add(self, sequence: Sequence) -> None:
        """Let a sequence join as soon as there is room. Nothing is computed yet.

        :raises InvalidJob: its prompt is too long, or not one of this model.
        """
        config, prompt = self._model.config, sequence.prompt
        if sequence.frames + LEAST_FRAMES > self._max_tokens:
            raise InvalidJob(
                f"text and voice come to {sequence.frames} tokens, but there is room for "
                f"{self._max_tokens - LEAST_FRAMES} and none for speech then",
                param="text",
            )
        # An id out of range would be a fault of the device itself, for everybody.
        bounds = np.array([config.vocab_size] + [config.codebook_size] * config.num_codebooks)
        if len(prompt) != len(bounds) or not sequence.frames:
            raise InvalidJob(f"a prompt has {len(bounds)} rows and a column, not shape {prompt.shape}", param="text")
        if np.any(prompt < 0) or np.any(prompt >= bounds[:, None]):
            raise InvalidJob("the prompt holds ids the language model does not know", param="text")
        self._waiting.push(sequence)

    @torch.inference_mode()
    def remove(self, ids: Collection[str]) -> None:
        """Forget sequences, wherever they are.

        :raises FatalFault: the device is lost.
        """
        self._waiting.remove(ids)
        if self._reading and self._reading.sequence.id in ids:
            with fatal_when_lost():
                self._give_up(self._reading)
        for active in [active for active in self._active.values() if active.sequence.id in ids]:
            self._leave(active)

    @torch.inference_mode()
    def step(self) -> list[Grown]:
        """Read a piece of the next prompt and make one frame for every sequence whose prompt is read.

        :returns: what came of sequences that have new codes or have ended.
        :raises FatalFault: the device is lost.
        """
        with fatal_when_lost():
            return self._read() + self._decode()

    def _read(self) -> list[Grown]:
        """Read prompts, one at a time, by a chunk of columns in all."""
        ended: list[Grown] = []
        room = self._chunk
        while reading := self._admit():
            count = min(self._chunk, reading.sequence.frames - reading.length)
            rows = -(-count // ROWS_STEP) * ROWS_STEP if self._on_cpu else count
            if rows > room:
                break
            room -= rows
            try:
                ended += self._read_piece(reading, count, rows)
            except torch.AcceleratorError:
                raise
            except torch.OutOfMemoryError as error:
                ended += self._put_back(reading, error)
                break
            except (RuntimeError, IndexError) as error:  # its prompt is at fault
                self._give_up(reading)
                ended.append(self._failed(reading, f"it could not be started: {error}"))
        return ended

    def _admit(self) -> _Active | None:
        if self._reading is None and self._waiting and len(self._active) < self._room:
            sequence = self._waiting.pop()
            limit = self._max_tokens - sequence.frames
            limit = min(limit, sequence.max_new_tokens or limit)
            slot = next(slot for slot in range(self._slots) if slot not in self._active)
            self._reading = _Active(sequence, slot, limit)
        return self._reading

    def _read_piece(self, reading: _Active, count: int, rows: int) -> list[Grown]:
        """Read ``count`` columns, filled up to ``rows``; at the prompt's end make the first frame."""
        start, device = reading.length, self._model.device
        ids = torch.zeros(rows, self._frames.shape[1], dtype=torch.int64)
        ids[:count] = torch.from_numpy(reading.sequence.prompt[:, start : start + count].T.astype(np.int64))
        positions = torch.arange(start, start + rows).clamp(max=self._model.config.max_seq_len - 1)
        attend = Prompt(self._cache, reading.slot, start, count, rows)
        logits = self._model(ids.to(device), positions.to(device), attend, last=count - 1)
        reading.length += count
        if reading.length < reading.sequence.frames:
            return []
        self._reading = None
        self._active[reading.slot] = reading
        self._sampler.start(reading.slot, reading.sequence.sampling, reading.sequence.seed)
        drawn = self._sampler.first(reading.slot, logits)
        self._frames[reading.slot] = drawn[0, :-1]
        return self._grow(reading, drawn[0].cpu().numpy(), may_stop=False)

    def _decode(self) -> list[Grown]:
        """One frame for every active sequence."""
        actives = [self._active[slot] for slot in sorted(self._active)]
        if not actives:
            return []
        slots = [active.slot for active in actives]
        try:
            drawn = self._sampler.next(slots, self._logits(actives))
            self._frames[slots] = drawn[:, :-1]
        except torch.OutOfMemoryError as error:
            youngest = min(actives, key=lambda active: active.made)
            self._leave(youngest)
            return [self._failed(youngest, f"the device has not enough memory: {error}")]
        grown: list[Grown] = []
        for active, frame in zip(actives, drawn.cpu().numpy(), strict=True):
            active.length += 1
            grown += self._grow(active, frame, may_stop=True)
        return grown

    def _logits(self, actives: list[_Active]) -> Tensor:
        """What follows the last frame of each, (R, V + n * C)."""
        if self._decoder is not None:
            lengths = [0] * self._slots
            for active in [*actives, *([self._reading] if self._reading else [])]:
                lengths[active.slot] = active.length
            return self._decoder(self._frames, lengths)[[active.slot for active in actives]]
        sizes = {Rows.FREE: (INT8_ROWS, False), Rows.FIXED: (self._slots, True), Rows.NONE: (1, False)}
        most, filled = sizes[self._model.rows]
        made = []
        for first in range(0, len(actives), most):
            batch = actives[first : first + most]
            rows = most if filled else len(batch)
            ids = torch.zeros(rows, self._frames.shape[1], dtype=torch.int64)
            ids[: len(batch)] = self._frames[[active.slot for active in batch]]
            held = [(active.slot, active.length) for active in batch]
            positions = torch.tensor([length for _, length in held] + [0] * (rows - len(held)))
            made.append(self._model(ids, positions, EachAlone(self._cache, held, rows))[: len(batch)])
        return torch.cat(made)

    def _grow(self, active: _Active, frame: npt.NDArray[np.int64], *, may_stop: bool) -> list[Grown]:
        """Take a frame (text id, ids of codes, whether it is sound); the one before it goes out."""
        if not frame[-1]:
            self._leave(active)
            self._cache.clear(active.slot, active.length)
            return [self._failed(active, "the model's output is not a number; another dtype may help")]
        token, ids = frame[0], frame[1:-1]
        before, active.held = active.held, ids
        active.made += 1
        ended = active.made >= active.limit or bool(may_stop and (token == self._eos_id or np.any(ids == END)))
        if ended:
            self._leave(active)
        elif before is None:
            return []
        codes = before[:, None] - CODE_OFFSET if before is not None else _no_codes(len(ids))
        return [Grown(active.sequence.id, codes, ended)]

    def _leave(self, active: _Active) -> None:
        del self._active[active.slot]
        self._room = self._slots

    def _give_up(self, reading: _Active) -> None:
        self._reading = None
        self._active.pop(reading.slot, None)
        self._cache.clear(reading.slot, reading.length + self._chunk)

    def _put_back(self, reading: _Active, error: torch.OutOfMemoryError) -> list[Grown]:
        """A prompt found no memory: it waits until somebody leaves."""
        self._give_up(reading)
        if not self._active:
            return [self._failed(reading, f"the device has not enough memory for its prompt: {error}")]
        self._waiting.push(reading.sequence)
        self._room = len(self._active)
        return []

    def _failed(self, active: _Active, failure: str) -> Grown:
        return Grown(active.sequence.id, _no_codes(self._model.config.num_codebooks), ended=True, failure=failure)


def _no_codes(codebooks: int) -> npt.NDArray[np.int64]:
    return np.zeros((codebooks, 0), dtype=np.int64)
