"""Continuous batching: when frames are returned, how sequences start and end as in v0.2.0, and which of them fail."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.fish.scripted_lm import CONFIG, EOS, ScriptedModel, codes_of, drain, endless, job_ids, scripted, sequence
from support.fish.scripted_lm import prompt as rows
from torch import Tensor

from backends.errors import FatalFault, InvalidJob, LoadError
from backends.fish.v0_2.lm.engine import PREFILL_TOKENS, LMEngine
from backends.fish.v0_2.lm.kv_cache import Attention, PrefillAttention

Frame = tuple[int, list[int]]


def expected_codes(first: int, count: int) -> np.ndarray:
    """The codes of ``endless`` from column ``first`` on."""
    return np.array([endless(0, first + t)[1] for t in range(count)], np.int64).reshape(count, 4).T - 2


@pytest.mark.parametrize(("limit", "codes"), [(2, 1), (3, 2), (20, 19), (1, 0)])
def test_max_new_tokens_includes_the_dropped_frame(limit: int, codes: int) -> None:
    lm, _ = scripted()
    lm.add(sequence("a", max_new_tokens=limit))
    outputs = drain(lm)
    assert [output.ended for output in outputs].count(True) == 1
    assert outputs[-1].ended
    assert outputs[-1].failure is None
    np.testing.assert_array_equal(codes_of(outputs, "a"), expected_codes(5, codes))


@pytest.mark.parametrize("limit", [0, 4000])
def test_speech_without_end_fills_the_context(limit: int) -> None:
    lm, model = scripted(max_tokens=64)
    lm.add(sequence("a", length=24, max_new_tokens=limit))
    np.testing.assert_array_equal(codes_of(drain(lm), "a"), expected_codes(24, 64 - 24 - 1))
    assert model.calls.count(("decode", 1)) == 64 - 24 - 1


@pytest.mark.parametrize(
    "last",
    [
        (EOS, [5, 6, 7, 8]),
        (10, [1, 6, 7, 8]),
        (10, [5, 6, 7, 1]),
        (EOS, [1, 1, 1, 1]),
    ],
    ids=["token", "first codebook", "last codebook", "all"],
)
def test_frame_with_an_end_id_is_not_returned(last: Frame) -> None:
    lm, _ = scripted(lambda speaker, length: last if length == 9 else endless(speaker, length))
    lm.add(sequence("a"))
    np.testing.assert_array_equal(codes_of(drain(lm), "a"), expected_codes(5, 4))


def test_first_frame_never_ends_speech() -> None:
    def script(speaker: int, length: int) -> Frame:
        if length == 5:
            return EOS, [4, 5, 6, 7]
        return (EOS, [9, 9, 9, 9]) if length == 8 else endless(10, length)

    lm, _ = scripted(script)
    lm.add(sequence("a"))
    codes = codes_of(drain(lm), "a")
    assert codes.shape == (4, 3)
    assert codes[:, 0].tolist() == [2, 3, 4, 5]


def test_padding_and_a_first_end_id_are_never_drawn() -> None:
    """Padding (0) is always the most likely ID, and the end (1) in the first frame; the next ID is drawn instead."""
    lm, model = scripted()
    original = model._logits

    def logits(speaker: int, length: int) -> Tensor:
        values = original(speaker, length)
        codes = values[CONFIG.vocab_size :].view(4, -1)
        codes[:, 0] = 50
        if length == 5:
            codes[:, 1] = 50
        return values

    model._logits = logits  # type: ignore[method-assign]
    lm.add(sequence("a", max_new_tokens=9))
    np.testing.assert_array_equal(codes_of(drain(lm), "a"), expected_codes(5, 8))


def test_each_step_returns_the_frame_of_the_step_before() -> None:
    lm, _ = scripted()
    lm.add(sequence("a", max_new_tokens=4))
    steps = [lm.step() for _ in range(3)]
    assert [[output.codes.shape for output in step] for step in steps] == [[(4, 1)], [(4, 1)], [(4, 1)]]
    assert [step[0].ended for step in steps] == [False, False, True]
    assert steps[0][0].codes.dtype == np.int64
    assert lm.step() == []


def test_long_prompt_is_prefilled_in_parts_while_others_decode() -> None:
    lm, model = scripted(max_tokens=256)
    lm.add(sequence("short"))
    lm.step()
    lm.add(sequence("long", speaker=11, length=2 * PREFILL_TOKENS["cpu"] + 3))
    model.calls.clear()
    steps = [set(job_ids(lm.step())) for _ in range(3)]
    assert steps == [{"short"}, {"short"}, {"short", "long"}]
    assert [count for kind, count in model.calls if kind == "prefill"] == [*[PREFILL_TOKENS["cpu"]] * 2, 3]
    assert [count for kind, count in model.calls if kind == "decode"] == [1, 1, 2]


def test_short_prompts_share_a_step() -> None:
    lm, model = scripted()
    for name in "abcd":
        lm.add(sequence(name, length=6))
    lm.step()
    assert [kind for kind, _ in model.calls] == ["prefill", "prefill", "decode"]


def test_slots_limit_active_sequences_and_all_are_served() -> None:
    lm, model = scripted(slots=3)
    for index in range(10):
        lm.add(sequence("job", speaker=10 + index, index=index, max_new_tokens=6))
    assert len(lm) == 10
    outputs = drain(lm)
    for index in range(10):
        np.testing.assert_array_equal(codes_of(outputs, "job", index), expected_codes(5, 5))
    assert max(count for kind, count in model.calls if kind == "decode") == 3
    assert lm.active == 0


def test_short_job_does_not_wait_for_a_long_one() -> None:
    lm, _ = scripted(slots=1)
    for index in range(6):
        lm.add(sequence("book", index=index, max_new_tokens=3))
    lm.step()
    lm.add(sequence("sentence", max_new_tokens=3))
    ended = [output.id for output in drain(lm) if output.ended]
    assert ended[0] == ("book", 0)
    assert ended.index(("sentence", 0)) <= 2
    assert [key for key in ended if key[0] == "book"] == [("book", index) for index in range(6)]


def test_removed_sequences_have_no_further_output() -> None:
    lm, _ = scripted(slots=2, max_tokens=256)
    for name in ("active", "stays", "queued"):
        lm.add(sequence(name, max_new_tokens=30))
    lm.step()
    lm.remove([("active", 0), ("queued", 0), ("unknown", 0)])
    lm.add(sequence("prefilling", length=100))
    before = codes_of(lm.step(), "stays")
    lm.remove([("prefilling", 0)])
    assert len(lm) == 1
    outputs = drain(lm)
    assert set(job_ids(outputs)) == {"stays"}
    assert before.shape[1] + codes_of(outputs, "stays").shape[1] == 29 - 1


def test_reused_slot_starts_anew() -> None:
    lm, _ = scripted(slots=1)
    lm.add(sequence("old", speaker=11, max_new_tokens=20))
    drain(lm)
    lm.add(sequence("new", speaker=10, length=7))
    np.testing.assert_array_equal(codes_of(drain(lm), "new"), expected_codes(7, 64 - 7 - 1))


@pytest.mark.parametrize("when", [5, 8])
def test_nan_logits_fail_one_sequence_only(when: int) -> None:
    lm, _ = scripted(lambda speaker, length: None if speaker == 11 and length == when else endless(speaker, length))
    lm.add(sequence("good", speaker=10, max_new_tokens=10))
    lm.add(sequence("bad", speaker=11, max_new_tokens=10))
    outputs = drain(lm)
    assert codes_of(outputs, "good").shape == (4, 9)
    last = [output for output in outputs if output.id[0] == "bad"][-1]
    assert last.ended
    assert "not a number" in str(last.failure)
    assert last.codes.shape == (4, 0)
    assert codes_of(outputs, "bad").shape == (4, max(0, when - 5 - 1))


def test_failing_prefill_fails_one_sequence_only() -> None:
    lm, model = scripted()

    def fault(ids: Tensor, attention: Attention) -> None:
        if isinstance(attention, PrefillAttention) and (ids[:, 0] == 11).any():
            raise RuntimeError("broken")

    model.fault = fault
    lm.add(sequence("bad", speaker=11))
    lm.add(sequence("good", speaker=10, max_new_tokens=4))
    outputs = drain(lm)
    failures = [output.failure for output in outputs if output.id[0] == "bad"]
    assert failures == ["the prompt could not be processed: broken"]
    assert codes_of(outputs, "good").shape == (4, 3)


def limit_memory(lm: LMEngine, model: ScriptedModel, *, max_active: int) -> None:
    """Let the prefill of speaker 11 fail while more than ``max_active`` sequences decode."""

    def fault(ids: Tensor, attention: Attention) -> None:
        if isinstance(attention, PrefillAttention) and (ids[:, 0] == 11).any() and lm.active > max_active:
            raise torch.OutOfMemoryError("no memory")

    model.fault = fault


def test_prompt_without_memory_waits_until_a_sequence_ends() -> None:
    lm, model = scripted()
    limit_memory(lm, model, max_active=1)
    lm.add(sequence("a", max_new_tokens=4))
    lm.add(sequence("b", max_new_tokens=12))
    lm.step()
    lm.add(sequence("large", speaker=11, max_new_tokens=3))
    outputs = drain(lm)
    ended = [output for output in outputs if output.ended]
    assert [output.failure for output in ended] == [None] * 3
    assert job_ids(ended).index("a") < job_ids(ended).index("large")
    assert codes_of(outputs, "large").shape == (4, 2)
    assert model.calls.count(("prefill", 5)) == 4  # one of them failed: it was not repeated at every step


def test_prompt_without_memory_fails_if_it_is_alone() -> None:
    lm, model = scripted()
    limit_memory(lm, model, max_active=-1)
    lm.add(sequence("large", speaker=11))
    (last,) = drain(lm)
    assert last.ended
    assert "not enough memory" in str(last.failure)


def test_decode_without_memory_fails_the_youngest_sequence() -> None:
    lm, model = scripted()
    lm.add(sequence("old", speaker=10, max_new_tokens=8))
    lm.step()
    lm.add(sequence("young", speaker=11, max_new_tokens=8))

    def fault(ids: Tensor, attention: Attention) -> None:
        if not isinstance(attention, PrefillAttention) and len(ids) > 1:
            raise torch.OutOfMemoryError("no memory")

    model.fault = fault
    outputs = drain(lm)
    assert ["not enough memory" in str(output.failure) for output in outputs if output.id[0] == "young"] == [True]
    assert codes_of(outputs, "old").shape[1] == 7 - 1


def test_lost_device_is_fatal() -> None:
    lm, model = scripted()

    def fault(ids: Tensor, attention: Attention) -> None:
        raise torch.AcceleratorError("CUDA error: unspecified launch failure")

    model.fault = fault
    lm.add(sequence("a"))
    with pytest.raises(FatalFault, match="device failed"):
        lm.step()


def test_too_long_prompt_is_rejected_and_changes_nothing() -> None:
    lm, _ = scripted(max_tokens=64)
    with pytest.raises(InvalidJob, match=r"63 tokens; at most 62") as caught:
        lm.add(sequence("a", length=63))
    assert caught.value.param == "text"
    lm.add(sequence("b", length=62))
    assert len(lm) == 1
    np.testing.assert_array_equal(codes_of(drain(lm), "b"), expected_codes(62, 1))


@pytest.mark.parametrize(
    "bad",
    [
        np.full((5, 3), -1),
        np.concatenate((np.full((1, 3), CONFIG.vocab_size), np.zeros((4, 3))), dtype=np.int32, casting="unsafe"),
        np.concatenate((np.full((1, 3), 7), np.full((4, 3), CONFIG.codebook_size)), dtype=np.int32),
        rows(10)[:4],
        rows(10, 0),
    ],
    ids=["negative", "token ID", "code ID", "rows", "empty"],
)
def test_invalid_prompt_is_rejected(bad: np.ndarray) -> None:
    lm, _ = scripted()
    invalid = sequence("a")
    object.__setattr__(invalid, "prompt", bad)
    with pytest.raises(InvalidJob):
        lm.add(invalid)
    assert len(lm) == 0


def test_unsupported_settings_are_rejected_while_loading() -> None:
    model = ScriptedModel()
    with pytest.raises(LoadError, match="max_tokens 300"):
        LMEngine(model, 1, 300, EOS)  # type: ignore[arg-type]
    with pytest.raises(LoadError, match="CUDA graphs"):
        LMEngine(model, 1, 64, EOS, compile=True)  # type: ignore[arg-type]
