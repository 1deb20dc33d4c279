"""A seed gives the same codes alone, in a batch and in any slot: equality to the last bit, on layers of real shapes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from msgspec import structs
from support.fish.lm import from_tensors, is_linear, shapes
from torch import Tensor

from backends.fish.generation import ChunkKey, Sampling, Sequence
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm import linear
from backends.fish.v0_2.lm.engine import LMEngine
from backends.fish.v0_2.lm.kv_cache import KVCache, PerSlotDecodeAttention, PrefillAttention
from backends.fish.v0_2.lm.linear import INT8_ROWS, Determinism
from backends.fish.v0_2.lm.model import LanguageModel

EOS = 2
FULL = LMConfig(n_layer=2, max_seq_len=256)  # the 400M model except for its depth
NARROW = structs.replace(FULL, vocab_size=4344)  # its output layer has as many rows beyond a multiple of 64
KINDS = {"float32": (torch.float32, False), "bfloat16": (torch.bfloat16, False), "int8": (torch.bfloat16, True)}
UNTRUNCATED = Sampling(temperature=1.0, top_p=1.0)  # the smallest rounding difference may change what is drawn
HELD = 37  # tokens in the cache of an even slot; an odd one has fewer

Codes = dict[ChunkKey, list[list[int]]]


@pytest.fixture(scope="module", autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    gc.collect()


def random_weights(config: LMConfig) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    state = {}
    for name, shape in shapes(config).items():
        scale = shape[-1] ** -0.5 if is_linear(name) else 0.5
        state[name] = torch.randn(shape, generator=random) * scale if len(shape) > 1 else torch.ones(shape)
    return state


@pytest.fixture(scope="module")
def full_weights() -> dict[str, Tensor]:
    return random_weights(FULL)


@pytest.fixture(scope="module")
def narrow_weights() -> dict[str, Tensor]:
    return random_weights(NARROW)


@pytest.fixture(scope="module", params=KINDS)
def full(request: pytest.FixtureRequest, full_weights: dict[str, Tensor]) -> LanguageModel:
    dtype, int8 = KINDS[request.param]
    return from_tensors(dict(full_weights), FULL, dtype, int8=int8)


@pytest.fixture(scope="module", params=KINDS)
def narrow(request: pytest.FixtureRequest, narrow_weights: dict[str, Tensor]) -> LanguageModel:
    dtype, int8 = KINDS[request.param]
    return from_tensors(dict(narrow_weights), NARROW, dtype, int8=int8)


def sequences(count: int) -> list[Sequence]:
    """Sequences of two jobs with different lengths, parameters and seeds; some prompts take several steps."""
    random = np.random.default_rng(4)
    batch = []
    for index in range(count):
        length = int(random.integers(3, 75))
        prompt = np.zeros((5, length), np.int32)
        prompt[0] = random.integers(3, NARROW.vocab_size, length)
        prompt[1:, length // 2 :] = random.integers(2, 162, (4, length - length // 2))
        sampling = [UNTRUNCATED, Sampling(), replace(UNTRUNCATED, top_k=50)][index % 3]
        frames = int(random.integers(4, 12))
        batch.append(Sequence((f"job{index % 2}", index), prompt, index, sampling, max_new_tokens=frames))
    return batch


def run(lm: LMEngine, batch: list[Sequence], every: int = 1) -> Codes:
    """Add one sequence every so many steps; return all codes."""
    codes: Codes = {sequence.id: [] for sequence in batch}
    queue, steps = list(batch), 0
    while queue or len(lm):
        if queue and steps % every == 0:
            lm.add(queue.pop(0))
        for output in lm.step():
            assert output.failure is None
            codes[output.id] += output.codes.T.tolist()
        steps += 1
    return codes


def run_alone(lm: LMEngine, batch: list[Sequence]) -> Codes:
    codes: Codes = {}
    for sequence in batch:
        codes |= run(lm, [sequence])
    return codes


def test_codes_do_not_depend_on_the_batch(narrow: LanguageModel) -> None:
    batch = sequences(7)
    lm = LMEngine(narrow, 4, 128, EOS)
    alone = run_alone(lm, batch)
    assert all(alone.values())
    assert len({str(codes[0]) for codes in alone.values()}) == 7
    assert run(lm, batch) == alone
    assert run(lm, batch[::-1], every=2) == alone


def test_codes_do_not_depend_on_removed_sequences(narrow: LanguageModel) -> None:
    first, *others = sequences(5)
    first = replace(first, max_new_tokens=14)
    lm = LMEngine(narrow, 4, 128, EOS)
    expected = run(lm, [first])[first.id]
    for other in others[:2]:
        lm.add(other)
    lm.step()
    lm.add(first)  # in another slot
    codes: list[list[int]] = []
    for step in range(60):
        if step == 3:
            lm.remove([others[0].id])
            lm.add(others[2])
        codes += [row for output in lm.step() if output.id == first.id for row in output.codes.T.tolist()]
    assert codes == expected


def filled_cache(model: LanguageModel, slots: int) -> KVCache:
    """A cache whose even slots hold the same tokens, and whose odd ones hold fewer."""
    past = torch.randint(2, 160, (HELD, 5), generator=torch.Generator().manual_seed(5))
    cache = model.cache(slots, 64)
    for slot in (0, 1):
        attention = PrefillAttention(cache, slot, 0, HELD - slot * 7, HELD)
        model(past, torch.arange(HELD), attention, last=HELD - 1)
    for layer in cache.layers:
        layer[2::2] = layer[0]
        layer[3::2] = layer[1]
    return cache


@pytest.mark.parametrize("slots", [4, 13, 16])
def test_logits_are_bit_identical_in_every_row(full: LanguageModel, slots: int) -> None:
    """A sequence in each row of the batch, among others; and alone, if the batch size does not matter."""
    ids = torch.randint(2, 160, (slots, 5), generator=torch.Generator().manual_seed(6))
    with torch.inference_mode():
        cache = filled_cache(full, slots)
        expected = None
        for row in range(slots):
            batch = ids.clone()
            batch[row] = ids[0]
            slot = row // 2 * 2 % (slots // 2 * 2)  # an even one: the others write to odd ones only
            held = [(slot, HELD) if at == row else (at % (slots // 2) * 2 + 1, 5 + at) for at in range(slots)]
            positions = torch.tensor([length for _, length in held])
            logits = full(batch, positions, PerSlotDecodeAttention(cache, held, slots))[row]
            expected = logits if expected is None else expected
            assert torch.equal(logits, expected), row
        if full.determinism is Determinism.ROW:
            for rows in range(1, min(slots, INT8_ROWS) + 1):
                attention = PerSlotDecodeAttention(cache, [(0, HELD)], rows)
                logits = full(ids[:rows], torch.full((rows,), HELD), attention)[0]
                assert torch.equal(logits, expected), rows


def test_kernels_without_guarantee_compute_each_sequence_alone(
    narrow_weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "_can_pack", lambda weight: False)
    model = from_tensors(dict(narrow_weights), NARROW)
    assert model.determinism is Determinism.NONE
    batch = sequences(4)
    lm = LMEngine(model, 4, 128, EOS)
    assert run(lm, batch) == run_alone(lm, batch)


def test_prefill_in_parts_gives_the_logits_of_the_whole_prompt(full: LanguageModel) -> None:
    """Up to rounding: a part is a batch of another size."""
    ids = torch.randint(2, 160, (70, 5), generator=torch.Generator().manual_seed(8))
    with torch.inference_mode():
        cache = full.cache(2, 128)
        whole = full(ids, torch.arange(70), PrefillAttention(cache, 0, 0, 70, 70), last=69)
        for start in (0, 32, 64):
            part = torch.zeros(32, 5, dtype=torch.int64)
            count = min(32, 70 - start)
            part[:count] = ids[start : start + count]
            attention = PrefillAttention(cache, 1, start, count, 32)
            logits = full(part, torch.arange(start, start + 32), attention, last=count - 1)
    bound = 1e-5 if full.dtype == torch.float32 else 5e-2
    assert (logits - whole).abs().max() < bound * whole.abs().max()
