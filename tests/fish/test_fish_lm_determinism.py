"""A seed means the same codes alone and in a crowd, in whatever slot: to the last bit, on layers of the real shapes."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from fish.lm_synthetic import from_tensors, is_linear, shapes
from torch import Tensor

from backends.fish.generation import Sampling, Sequence
from backends.fish.v0_2.config import LMConfig
from backends.fish.v0_2.lm import linear
from backends.fish.v0_2.lm.engine import Generator
from backends.fish.v0_2.lm.kv_cache import EachAlone, Prompt
from backends.fish.v0_2.lm.linear import INT8_ROWS, Rows
from backends.fish.v0_2.lm.model import LanguageModel

EOS = 2
CONFIG = LMConfig(n_layer=2, max_seq_len=256)  # the 400M model but for its depth
KINDS = {"float32": (torch.float32, False), "bfloat16": (torch.bfloat16, False), "int8": (torch.bfloat16, True)}
UNLIMITED = Sampling(temperature=1.0, top_p=1.0)  # the least rounding may change what is drawn


@pytest.fixture(scope="module", autouse=True)
def _two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)
    gc.collect()


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(1)
    made = {}
    for name, shape in shapes(CONFIG).items():
        scale = shape[-1] ** -0.5 if is_linear(name) else 0.5
        made[name] = torch.randn(shape, generator=random) * scale if len(shape) > 1 else torch.ones(shape)
    return made


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest, state: dict[str, Tensor]) -> LanguageModel:
    dtype, int8 = KINDS[request.param]
    return from_tensors(dict(state), CONFIG, dtype, int8=int8)


def sequences(count: int) -> list[Sequence]:
    """Of different lengths, settings and seeds, some longer than what is read of a prompt at once."""
    random = np.random.default_rng(4)
    made = []
    for index in range(count):
        length = int(random.integers(3, 75))
        prompt = np.zeros((5, length), np.int32)
        prompt[0] = random.integers(3, CONFIG.vocab_size, length)
        prompt[1:, length // 2 :] = random.integers(2, 162, (4, length - length // 2))
        sampling = [UNLIMITED, Sampling(), replace(UNLIMITED, top_k=50)][index % 3]
        frames = int(random.integers(4, 12))
        made.append(Sequence(f"s{index}", f"job{index % 2}", prompt, index, sampling, max_new_tokens=frames))
    return made


def run(generator: Generator, crowd: list[Sequence], every: int = 1) -> dict[str, list[list[int]]]:
    """Let one sequence join at every so many steps; codes by id."""
    codes: dict[str, list[list[int]]] = {sequence.id: [] for sequence in crowd}
    coming, steps = list(crowd), 0
    while coming or len(generator):
        if coming and steps % every == 0:
            generator.add(coming.pop(0))
        for grown in generator.step():
            assert grown.failure is None
            codes[grown.id] += grown.codes.T.tolist()
        steps += 1
    return codes


def test_codes_do_not_depend_on_the_crowd(model: LanguageModel) -> None:
    crowd = sequences(7)
    generator = Generator(model, 4, 128, EOS)
    alone: dict[str, list[list[int]]] = {}
    for sequence in crowd:
        alone |= run(generator, [sequence])
    assert all(alone.values())
    assert len({str(codes[0]) for codes in alone.values()}) == 7
    assert run(generator, crowd) == alone
    assert run(generator, crowd[::-1], every=2) == alone


def test_codes_do_not_depend_on_who_leaves(model: LanguageModel) -> None:
    first, *others = sequences(5)
    first = replace(first, max_new_tokens=14)
    generator = Generator(model, 4, 128, EOS)
    expected = run(generator, [first])[first.id]
    for other in others[:2]:
        generator.add(other)
    generator.step()
    generator.add(first)  # in another slot
    codes: list[list[int]] = []
    for step in range(60):
        if step == 3:
            generator.remove([others[0].id])
            generator.add(others[2])
        codes += [row for grown in generator.step() if grown.id == first.id for row in grown.codes.T.tolist()]
    assert codes == expected


@pytest.mark.parametrize("slots", [4, 13, 16])
def test_logits_are_the_same_to_the_last_bit_in_every_row(model: LanguageModel, slots: int) -> None:
    """One sequence in each of the rows, with others before and after it, and with none."""
    held = 37
    random = torch.Generator().manual_seed(6)
    ids = torch.randint(2, 160, (slots, 5), generator=random)
    past = torch.randint(2, 160, (held, 5), generator=random)
    with torch.inference_mode():
        caches = model.cache(slots, 64)
        for slot in range(slots):
            model(past, torch.arange(held), Prompt(caches, slot, 0, held - slot % 2 * 7, held), last=held - 1)
        expected = None
        for row in range(slots):
            here = ids.clone()
            here[row] = ids[0]
            slot = row // 2 * 2 % (slots // 2 * 2)  # an even one: these hold as much, and nobody else writes there
            lengths = [(slot, held) if at == row else (at % (slots // 2) * 2 + 1, 5 + at) for at in range(slots)]
            positions = torch.tensor([length for _, length in lengths])
            found = model(here, positions, EachAlone(caches, lengths, slots))[row]
            expected = found if expected is None else expected
            assert torch.equal(found, expected), row
        if model.rows is Rows.FREE:
            for rows in range(1, min(slots, INT8_ROWS) + 1):
                found = model(ids[:rows], torch.full((rows,), held), EachAlone(caches, [(0, held)], rows))[0]
                assert torch.equal(found, expected), rows


def test_where_kernels_promise_nothing_each_sequence_is_computed_alone(
    state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear, "_packs", lambda weight: False)
    model = from_tensors(dict(state), CONFIG)
    assert model.rows is Rows.NONE
    crowd = sequences(4)
    generator = Generator(model, 4, 128, EOS)
    alone: dict[str, list[list[int]]] = {}
    for sequence in crowd:
        alone |= run(generator, [sequence])
    assert run(generator, crowd) == alone


def test_a_prompt_in_pieces_is_the_prompt(model: LanguageModel) -> None:
    """Up to rounding: a piece is a batch of another size."""
    ids = torch.randint(2, 160, (70, 5), generator=torch.Generator().manual_seed(8))
    with torch.inference_mode():
        cache = model.cache(2, 128)
        whole = model(ids, torch.arange(70), Prompt(cache, 0, 0, 70, 70), last=69)
        for start in (0, 32, 64):
            piece = torch.zeros(32, 5, dtype=torch.int64)
            count = min(32, 70 - start)
            piece[:count] = ids[start : start + count]
            found = model(piece, torch.arange(start, start + 32), Prompt(cache, 1, start, count, 32), last=count - 1)
    bound = 1e-5 if model.dtype == torch.float32 else 5e-2
    assert (found - whole).abs().max() < bound * whole.abs().max()
