"""Frames become codes, sequences start and end as in v0.2.0, and nobody's trouble is anybody else's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fish.lm_scripted import CONFIG, EOS, ScriptedModel, ask, codes_of, drain, prompt, scripted, talk
from torch import Tensor

from backends.errors import FatalFault, InvalidJob, LoadError
from backends.fish.v0_2.lm.engine import CHUNK, Generator
from backends.fish.v0_2.lm.kv_cache import Attend, Prompt

Frame = tuple[int, list[int]]


def spoken(first: int, count: int) -> np.ndarray:
    """The codes ``talk`` makes from that column on."""
    return np.array([talk(0, first + t)[1] for t in range(count)], np.int64).reshape(count, 4).T - 2


@pytest.mark.parametrize(("asked", "codes"), [(2, 1), (3, 2), (20, 19), (1, 0)])
def test_max_new_tokens_counts_the_frame_that_is_dropped(asked: int, codes: int) -> None:
    generator, _ = scripted()
    generator.add(ask("a", max_new_tokens=asked))
    grown = drain(generator)
    assert [one.ended for one in grown].count(True) == 1
    assert grown[-1].ended
    assert grown[-1].failure is None
    np.testing.assert_array_equal(codes_of(grown, "a"), spoken(5, codes))


@pytest.mark.parametrize("asked", [0, 4000])
def test_speech_without_end_fills_the_context(asked: int) -> None:
    generator, model = scripted(max_tokens=64)
    generator.add(ask("a", length=24, max_new_tokens=asked))
    np.testing.assert_array_equal(codes_of(drain(generator), "a"), spoken(24, 64 - 24 - 1))
    assert model.seen.count(("frames", 1)) == 64 - 24 - 1


@pytest.mark.parametrize(
    "last",
    [
        (EOS, [5, 6, 7, 8]),
        (10, [1, 6, 7, 8]),
        (10, [5, 6, 7, 1]),
        (EOS, [1, 1, 1, 1]),
    ],
    ids=["the text ends", "the first codebook ends", "the last one does", "all do"],
)
def test_a_frame_of_the_end_is_not_handed_out(last: Frame) -> None:
    generator, _ = scripted(lambda who, length: last if length == 9 else talk(who, length))
    generator.add(ask("a"))
    np.testing.assert_array_equal(codes_of(drain(generator), "a"), spoken(5, 4))


def test_the_frame_that_follows_the_prompt_never_ends_speech() -> None:
    def script(who: int, length: int) -> Frame:
        if length == 5:
            return EOS, [4, 5, 6, 7]
        return (EOS, [9, 9, 9, 9]) if length == 8 else talk(10, length)

    generator, _ = scripted(script)
    generator.add(ask("a"))
    codes = codes_of(drain(generator), "a")
    assert codes.shape == (4, 3)
    assert codes[:, 0].tolist() == [2, 3, 4, 5]


def test_ids_before_the_codes_are_never_drawn() -> None:
    """The likeliest id is padding (0) always, and the end (1) in the first frame; the next one is drawn instead."""
    generator, model = scripted()
    logits = model._logits

    def tempting(who: int, length: int) -> Tensor:
        made = logits(who, length)
        codes = made[CONFIG.vocab_size :].view(4, -1)
        codes[:, 0] = 50
        if length == 5:
            codes[:, 1] = 50
        return made

    model._logits = tempting  # type: ignore[method-assign]
    generator.add(ask("a", max_new_tokens=9))
    np.testing.assert_array_equal(codes_of(drain(generator), "a"), spoken(5, 8))


def test_codes_come_one_a_step_and_one_step_late() -> None:
    generator, _ = scripted()
    generator.add(ask("a", max_new_tokens=4))
    steps = [generator.step() for _ in range(3)]
    assert [[one.codes.shape for one in step] for step in steps] == [[(4, 1)], [(4, 1)], [(4, 1)]]
    assert [step[0].ended for step in steps] == [False, False, True]
    assert steps[0][0].codes.dtype == np.int64
    assert generator.step() == []


def test_a_long_prompt_is_read_in_pieces_while_others_speak() -> None:
    generator, model = scripted(max_tokens=256)
    generator.add(ask("short"))
    generator.step()
    generator.add(ask("long", who=11, length=2 * CHUNK["cpu"] + 3))
    model.seen.clear()
    first = [{one.id for one in generator.step()} for _ in range(3)]
    assert first == [{"short"}, {"short"}, {"short", "long"}]
    read = [count for kind, count in model.seen if kind == "prompt"]
    assert read == [CHUNK["cpu"], CHUNK["cpu"], 3]
    assert [count for kind, count in model.seen if kind == "frames"] == [1, 1, 2]


def test_short_prompts_share_a_step() -> None:
    generator, model = scripted()
    for name in "abcd":
        generator.add(ask(name, length=6))
    generator.step()
    assert [kind for kind, _ in model.seen] == ["prompt", "prompt", "frames"]


def test_no_more_sequences_than_slots_grow_at_once_and_all_are_served() -> None:
    generator, model = scripted(slots=3)
    for index in range(10):
        generator.add(ask(f"s{index}", who=10 + index, max_new_tokens=6))
    assert len(generator) == 10
    grown = drain(generator)
    for index in range(10):
        np.testing.assert_array_equal(codes_of(grown, f"s{index}"), spoken(5, 5))
    assert max(count for kind, count in model.seen if kind == "frames") == 3
    assert generator.active == 0


def test_jobs_take_turns() -> None:
    generator, _ = scripted(slots=1)
    for index in range(6):
        generator.add(ask(f"book{index}", owner="book", max_new_tokens=3))
    generator.step()
    generator.add(ask("sentence", owner="sentence", max_new_tokens=3))
    ends = [one.id for one in drain(generator) if one.ended]
    assert ends.index("sentence") <= 2
    assert ends == sorted(ends, key=lambda name: (name == "sentence", name)) or ends[0] == "book0"
    assert [name for name in ends if name != "sentence"] == [f"book{index}" for index in range(6)]


def test_what_is_removed_is_heard_of_no_more() -> None:
    generator, _ = scripted(slots=2, max_tokens=256)
    for name, length in (("speaks", 5), ("stays", 5), ("waits", 5)):
        generator.add(ask(name, length=length, max_new_tokens=30))
    generator.step()
    generator.remove(["speaks", "waits", "unknown"])
    generator.add(ask("reads", length=100))
    before = codes_of(generator.step(), "stays")
    generator.remove(["reads"])
    assert len(generator) == 1
    grown = drain(generator)
    assert {one.id for one in grown} == {"stays"}
    assert before.shape[1] + codes_of(grown, "stays").shape[1] == 29 - 1


def test_a_slot_forgets_who_was_in_it() -> None:
    generator, _ = scripted(slots=1)
    generator.add(ask("old", who=11, max_new_tokens=20))
    drain(generator)
    generator.add(ask("new", who=10, length=7))
    np.testing.assert_array_equal(codes_of(drain(generator), "new"), spoken(7, 64 - 7 - 1))


@pytest.mark.parametrize("when", [5, 8])
def test_no_numbers_end_one_sequence_only(when: int) -> None:
    generator, _ = scripted(lambda who, length: None if who == 11 and length == when else talk(who, length))
    generator.add(ask("well", who=10, max_new_tokens=10))
    generator.add(ask("ill", who=11, max_new_tokens=10))
    grown = drain(generator)
    assert codes_of(grown, "well").shape == (4, 9)
    end = [one for one in grown if one.id == "ill"][-1]
    assert end.ended
    assert "not a number" in str(end.failure)
    assert end.codes.shape == (4, 0)
    assert codes_of(grown, "ill").shape == (4, max(0, when - 5 - 1))


def test_a_prompt_that_cannot_be_read_fails_alone() -> None:
    generator, model = scripted()

    def fault(ids: Tensor, attend: Attend) -> None:
        if isinstance(attend, Prompt) and (ids[:, 0] == 11).any():
            raise RuntimeError("out of luck")

    model.fault = fault
    generator.add(ask("ill", who=11))
    generator.add(ask("well", who=10, max_new_tokens=4))
    grown = drain(generator)
    assert [one.failure for one in grown if one.id == "ill"] == ["it could not be started: out of luck"]
    assert codes_of(grown, "well").shape == (4, 3)


def memory(generator: Generator, model: ScriptedModel, *, most: int) -> None:
    """Let reading a prompt of 11 fail while more than ``most`` others speak."""

    def fault(ids: Tensor, attend: Attend) -> None:
        if isinstance(attend, Prompt) and (ids[:, 0] == 11).any() and generator.active > most:
            raise torch.OutOfMemoryError("no room")

    model.fault = fault


def test_a_prompt_without_memory_waits_until_somebody_leaves() -> None:
    generator, model = scripted()
    memory(generator, model, most=1)
    generator.add(ask("a", max_new_tokens=4))
    generator.add(ask("b", max_new_tokens=12))
    generator.step()
    generator.add(ask("large", who=11, max_new_tokens=3))
    grown = drain(generator)
    assert [one.failure for one in grown if one.ended] == [None] * 3
    ends = [one.id for one in grown if one.ended]
    assert ends.index("a") < ends.index("large")
    assert codes_of(grown, "large").shape == (4, 2)
    assert model.seen.count(("prompt", 5)) == 4  # one of them in vain: it was not tried again at every step


def test_a_prompt_without_memory_fails_when_it_is_alone() -> None:
    generator, model = scripted()
    memory(generator, model, most=-1)
    generator.add(ask("large", who=11))
    (end,) = drain(generator)
    assert end.ended
    assert "not enough memory" in str(end.failure)


def test_without_memory_for_a_frame_the_youngest_gives_way() -> None:
    generator, model = scripted()
    generator.add(ask("old", who=10, max_new_tokens=8))
    generator.step()
    generator.add(ask("young", who=11, max_new_tokens=8))

    def fault(ids: Tensor, attend: Attend) -> None:
        if not isinstance(attend, Prompt) and len(ids) > 1:
            raise torch.OutOfMemoryError("no room")

    model.fault = fault
    grown = drain(generator)
    assert ["not enough memory" in str(one.failure) for one in grown if one.id == "young"] == [True]
    assert codes_of(grown, "old").shape[1] == 7 - 1


def test_a_lost_device_ends_everything() -> None:
    generator, model = scripted()

    def fault(ids: Tensor, attend: Attend) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    model.fault = fault
    generator.add(ask("a"))
    with pytest.raises(FatalFault, match="device failed"):
        generator.step()


def test_prompts_that_do_not_fit_are_refused_and_change_nothing() -> None:
    generator, _ = scripted(max_tokens=64)
    with pytest.raises(InvalidJob, match=r"63 tokens.*room for 62") as refused:
        generator.add(ask("a", length=63))
    assert refused.value.param == "text"
    generator.add(ask("b", length=62))
    assert len(generator) == 1
    np.testing.assert_array_equal(codes_of(drain(generator), "b"), spoken(62, 1))


@pytest.mark.parametrize(
    "bad",
    [
        np.full((5, 3), -1),
        np.concatenate((np.full((1, 3), CONFIG.vocab_size), np.zeros((4, 3))), dtype=np.int32, casting="unsafe"),
        np.concatenate((np.full((1, 3), 7), np.full((4, 3), CONFIG.codebook_size)), dtype=np.int32),
        prompt(10)[:4],
        prompt(10, 0),
    ],
    ids=["negative", "text id", "code", "rows", "empty"],
)
def test_prompts_of_another_model_are_refused(bad: np.ndarray) -> None:
    generator, _ = scripted()
    sequence = ask("a")
    object.__setattr__(sequence, "prompt", bad)
    with pytest.raises(InvalidJob):
        generator.add(sequence)
    assert len(generator) == 0


def test_what_the_model_cannot_do_is_refused_while_loading() -> None:
    model = ScriptedModel()
    with pytest.raises(LoadError, match="max_tokens 300"):
        Generator(model, 1, 300, EOS)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="CUDA graphs"):
        Generator(model, 1, 64, EOS, compile=True)  # type: ignore[arg-type]
