"""Continuous batching over the language model: a step prefills part of the next prompt and decodes one frame per slot.

On a CPU, a sequence's codes depend on its prompt, parameters and seed alone, to the last bit: its noise is its own, its
prompt is prefilled in parts that depend on its length only, attention covers its own tokens only, and linear layers get
a constant batch size unless their kernel's result is known not to depend on it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from backends.common.device import fatal_when_lost
from backends.common.fair_queue import FairQueue
from backends.errors import InvalidJob, LoadError
from backends.fish.generation import ChunkKey, Sequence, StepOutput
from backends.fish.v0_2.config import CODE_OFFSET
from backends.fish.v0_2.lm.graphs import BatchedDecoder
from backends.fish.v0_2.lm.kv_cache import PerSlotDecodeAttention, PrefillAttention
from backends.fish.v0_2.lm.linear import INT8_ROWS, Determinism
from backends.fish.v0_2.lm.model import LanguageModel
from backends.fish.v0_2.lm.sampling import Sampler

PREFILL_TOKENS = {"cpu": 32, "cuda": 1024}  # per step, some 60 ms
ROWS_STEP = 16  # prefill batches are padded to a multiple: CPU kernels are generated for each batch size
LENGTH_STEP = 64  # of the cache: a GPU needs attention masks of such lengths
MIN_FRAMES = 2  # the last frame is dropped
END = 1  # the code ID that ends speech


@dataclass(slots=True, eq=False)
class _Active:
    """A sequence in a slot.

    :param max_frames: limit of generated frames.
    :param length: tokens in the cache.
    :param held: code IDs of the last frame, which are returned only when another frame follows.
    """

    sequence: Sequence
    slot: int
    max_frames: int
    length: int = 0
    frames: int = 0
    held: npt.NDArray[np.int64] | None = None


class LMEngine:
    """Continuous batching over the language model.

    :param slots: sequences that are generated at once.
    :param max_tokens: longest sequence, prompt included.
    :param eos_id: token ID that ends speech.
    :param compile: decode by CUDA graphs, which are captured here.
    :param codes: number of codes that the codec has; None: see :class:`Sampler`.
    :raises LoadError: if the model does not support these values, or memory is short.
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
            raise LoadError(f"max_tokens {max_tokens} exceeds the model's context of {config.max_seq_len} tokens")
        if compile and device.type != "cuda":
            raise LoadError(f"compile: CUDA graphs need a GPU, not {device}")
        self.slots, self.max_tokens = slots, max_tokens
        self._model, self._eos_id = model, eos_id
        self._determinism = model.determinism
        self._on_cpu = device.type == "cpu"
        self._prefill_tokens = PREFILL_TOKENS[device.type]
        self._queue: FairQueue[Sequence] = FairQueue()
        self._prefilling: _Active | None = None
        self._active: dict[int, _Active] = {}  # by slot
        self._usable_slots = slots
        try:
            with torch.inference_mode(), fatal_when_lost():
                self._cache = model.cache(slots, -(-max_tokens // LENGTH_STEP) * LENGTH_STEP)
                self._sampler = Sampler(config, slots, device, codes)
                self._frames = torch.zeros(slots, 1 + config.num_codebooks, dtype=torch.int64, device=device)
                self._decoder = None
                if not self._on_cpu:
                    self._decoder = BatchedDecoder(model, self._cache, slots, graphs=compile)
        except RuntimeError as error:
            raise LoadError(f"not enough memory for {slots} sequences of {max_tokens} tokens: {error}") from error

    def __len__(self) -> int:
        return len(self._active) + (self._prefilling is not None) + len(self._queue)

    @property
    def active(self) -> int:
        """Number of sequences that are being decoded."""
        return len(self._active)

    @property
    def weight_bytes(self) -> int:
        """Bytes of weights read per generated frame."""
        return self._model.weight_bytes

    def add(self, sequence: Sequence) -> None:
        """Queue a sequence until a slot is free. Computes nothing.

        :raises InvalidJob: if its prompt is too long or invalid.
        """
        config, prompt = self._model.config, sequence.prompt
        if sequence.frames + MIN_FRAMES > self.max_tokens:
            raise InvalidJob(
                f"text and voice have {sequence.frames} tokens; at most {self.max_tokens - MIN_FRAMES} leave room "
                "for speech",
                param="text",
            )
        # On a GPU, an ID out of range would be a device error, which fails every job.
        bounds = np.array([config.vocab_size] + [config.codebook_size] * config.num_codebooks)
        if len(prompt) != len(bounds) or not sequence.frames:
            message = f"a prompt must have {len(bounds)} rows and at least one column, not shape {prompt.shape}"
            raise InvalidJob(message, param="text")
        if np.any(prompt < 0) or np.any(prompt >= bounds[:, None]):
            raise InvalidJob("the prompt contains IDs that the language model does not have", param="text")
        self._queue.push(sequence)

    @torch.inference_mode()
    def remove(self, ids: Collection[ChunkKey]) -> None:
        """Drop sequences, queued or active; unknown IDs are ignored.

        :raises FatalFault: if the device is lost.
        """
        self._queue.remove(ids)
        if self._prefilling and self._prefilling.sequence.id in ids:
            with fatal_when_lost():
                self._cancel_prefill(self._prefilling)
        for active in [active for active in self._active.values() if active.sequence.id in ids]:
            self._free(active)

    @torch.inference_mode()
    def step(self) -> list[StepOutput]:
        """Prefill part of the next prompt and generate one frame for every active sequence.

        :returns: outputs of sequences that have new codes or have ended.
        :raises FatalFault: if the device is lost.
        """
        with fatal_when_lost():
            return self._prefill() + self._decode()

    def _prefill(self) -> list[StepOutput]:
        """Prefill prompts, one after another, up to the step's limit of tokens."""
        outputs: list[StepOutput] = []
        budget = self._prefill_tokens
        while active := self._admit():
            count = min(self._prefill_tokens, active.sequence.frames - active.length)
            rows = -(-count // ROWS_STEP) * ROWS_STEP if self._on_cpu else count
            if rows > budget:
                break
            budget -= rows
            try:
                outputs += self._prefill_part(active, count, rows)
            except torch.AcceleratorError:
                raise
            except torch.OutOfMemoryError as error:
                outputs += self._requeue(active, error)
                break
            except (RuntimeError, IndexError) as error:  # caused by this prompt
                self._cancel_prefill(active)
                outputs.append(self._failed(active, f"the prompt could not be processed: {error}"))
        return outputs

    def _admit(self) -> _Active | None:
        if self._prefilling is None and self._queue and len(self._active) < self._usable_slots:
            sequence = self._queue.pop()
            max_frames = self.max_tokens - sequence.frames
            max_frames = min(max_frames, sequence.max_new_tokens or max_frames)
            slot = next(slot for slot in range(self.slots) if slot not in self._active)
            self._prefilling = _Active(sequence, slot, max_frames)
        return self._prefilling

    def _prefill_part(self, active: _Active, count: int, rows: int) -> list[StepOutput]:
        """Prefill ``count`` tokens, padded to ``rows``; at the end of the prompt, draw the first frame."""
        start, device = active.length, self._model.device
        ids = torch.zeros(rows, self._frames.shape[1], dtype=torch.int64)
        ids[:count] = torch.from_numpy(active.sequence.prompt[:, start : start + count].T.astype(np.int64))
        positions = torch.arange(start, start + rows).clamp(max=self._model.config.max_seq_len - 1)
        attention = PrefillAttention(self._cache, active.slot, start, count, rows)
        logits = self._model(ids.to(device), positions.to(device), attention, last=count - 1)
        active.length += count
        if active.length < active.sequence.frames:
            return []
        self._prefilling = None
        self._active[active.slot] = active
        self._sampler.start(active.slot, active.sequence.sampling, active.sequence.seed)
        drawn = self._sampler.first(active.slot, logits)
        self._frames[active.slot] = drawn[0, :-1]
        return self._emit(active, drawn[0].cpu().numpy(), may_stop=False)

    def _decode(self) -> list[StepOutput]:
        """Generate one frame for every active sequence."""
        actives = [self._active[slot] for slot in sorted(self._active)]
        if not actives:
            return []
        slots = [active.slot for active in actives]
        try:
            drawn = self._sampler.next(slots, self._logits(actives))
            self._frames[slots] = drawn[:, :-1]
        except torch.OutOfMemoryError as error:
            youngest = min(actives, key=lambda active: active.frames)
            self._free(youngest)
            return [self._failed(youngest, f"not enough memory on the device: {error}")]
        outputs: list[StepOutput] = []
        for active, frame in zip(actives, drawn.cpu().numpy(), strict=True):
            active.length += 1
            outputs += self._emit(active, frame, may_stop=True)
        return outputs

    def _logits(self, actives: list[_Active]) -> Tensor:
        """Next-token logits after the last frame of each, (B, V + K * codebook_size)."""
        if self._decoder is not None:
            lengths = [0] * self.slots
            for active in [*actives, *([self._prefilling] if self._prefilling else [])]:
                lengths[active.slot] = active.length
            return self._decoder(self._frames, lengths)[[active.slot for active in actives]]
        # batch size, and whether batches are padded to it
        batching = {
            Determinism.ROW: (INT8_ROWS, False),
            Determinism.BATCH_SIZE: (self.slots, True),
            Determinism.NONE: (1, False),
        }
        size, padded = batching[self._determinism]
        parts = []
        for first in range(0, len(actives), size):
            batch = actives[first : first + size]
            rows = size if padded else len(batch)
            ids = torch.zeros(rows, self._frames.shape[1], dtype=torch.int64)
            ids[: len(batch)] = self._frames[[active.slot for active in batch]]
            held = [(active.slot, active.length) for active in batch]
            positions = torch.tensor([length for _, length in held] + [0] * (rows - len(held)))
            parts.append(self._model(ids, positions, PerSlotDecodeAttention(self._cache, held, rows))[: len(batch)])
        return torch.cat(parts)

    def _emit(self, active: _Active, frame: npt.NDArray[np.int64], *, may_stop: bool) -> list[StepOutput]:
        """Hold back a new frame (token ID, code IDs, whether the logits were finite); return the one before it."""
        if not frame[-1]:
            self._free(active)
            self._cache.clear(active.slot, active.length)
            return [self._failed(active, "the model's output is not a number; try another dtype")]
        token, ids = frame[0], frame[1:-1]
        before, active.held = active.held, ids
        active.frames += 1
        stopped = may_stop and bool(token == self._eos_id or np.any(ids == END))
        ended = stopped or active.frames >= active.max_frames
        if ended:
            self._free(active)
        elif before is None:
            return []
        codes = before[:, None] - CODE_OFFSET if before is not None else _no_codes(len(ids))
        return [StepOutput(active.sequence.id, codes, ended)]

    def _free(self, active: _Active) -> None:
        del self._active[active.slot]
        self._usable_slots = self.slots

    def _cancel_prefill(self, active: _Active) -> None:
        self._prefilling = None
        self._active.pop(active.slot, None)
        self._cache.clear(active.slot, active.length + self._prefill_tokens)

    def _requeue(self, active: _Active, error: torch.OutOfMemoryError) -> list[StepOutput]:
        """After running out of memory for a prompt, wait until another sequence ends."""
        self._cancel_prefill(active)
        if not self._active:
            return [self._failed(active, f"not enough memory on the device for the prompt: {error}")]
        self._queue.push(active.sequence)
        self._usable_slots = len(self._active)
        return []

    def _failed(self, active: _Active, failure: str) -> StepOutput:
        return StepOutput(active.sequence.id, _no_codes(self._model.config.num_codebooks), ended=True, failure=failure)


def _no_codes(codebooks: int) -> npt.NDArray[np.int64]:
    return np.zeros((codebooks, 0), dtype=np.int64)
