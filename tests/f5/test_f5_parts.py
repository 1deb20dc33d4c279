"""The small parts of the engine: schedules, the queue, the layout, the spectrogram."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch

from backends.common.fair_queue import FairQueue
from backends.f5 import products
from backends.f5.layout import Layout, Shape
from backends.f5.mel import LogMel
from backends.f5.schedule import times


@dataclass(frozen=True)
class Work:
    id: str
    owner: str
    frames: int


def order(waiting: FairQueue[Work]) -> list[str]:
    return [waiting.pop().id for _ in range(len(waiting))]


def test_schedules_are_pruned_where_f5_tts_prunes_them_and_sway_towards_the_start() -> None:
    assert (times(7, 0.0) * 32).tolist() == [0, 2, 4, 6, 8, 16, 24, 32]
    torch.testing.assert_close(times(4, 0.0), torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0]))
    for nfe in (1, 7, 16, 33, 64):
        for sway in (-1.0, 0.5, 1.0):
            swayed = times(nfe, sway)
            assert swayed.shape == (nfe + 1,)
            assert swayed[0] == 0
            assert swayed[-1] == pytest.approx(1)
            assert (swayed.diff() > 0).all()
    assert (times(32, -1.0)[1:-1] < times(32, 0.0)[1:-1]).all()


def test_jobs_take_turns_by_the_work_they_ask_for() -> None:
    waiting: FairQueue[Work] = FairQueue()
    for index in range(3):
        waiting.push(Work(f"book{index}", "book", 100))
    assert waiting.pop().id == "book0"
    waiting.push(Work("word", "word", 10))
    waiting.push(Work("verse0", "verse", 60))
    waiting.push(Work("verse1", "verse", 60))
    assert order(waiting) == ["word", "verse0", "verse1", "book1", "book2"]


def test_a_stream_of_short_jobs_does_not_keep_a_long_one_waiting_for_ever() -> None:
    waiting: FairQueue[Work] = FairQueue()
    for index in range(3):
        waiting.push(Work(f"book{index}", "book", 50))
    taken = []
    for index in range(12):
        waiting.push(Work(f"word{index}", f"word{index}", 50))
        taken.append(waiting.pop().id)
    assert [name for name in taken if name.startswith("book")] == ["book0", "book1", "book2"]


def test_who_leaves_the_queue_leaves_nothing_behind() -> None:
    waiting: FairQueue[Work] = FairQueue()
    for owner in ("a", "b"):
        for index in range(3):
            waiting.push(Work(f"{owner}{index}", owner, 10))
    waiting.remove({"a0", "b1", "b2", "nobody"})
    assert order(waiting) == ["b0", "a1", "a2"]
    assert waiting._finish_tags == {}


@pytest.mark.parametrize("lead", [0, 1])
def test_a_layout_has_a_place_for_every_token(lead: int) -> None:
    shapes = [Shape(3, 2, "x"), Shape(3, 1, "x"), Shape(5, 2, "x"), Shape(5, 1, "y")]
    layout = Layout(shapes, lead, torch.device("cpu"))
    tokens = sum(shape.rows * (shape.frames + lead) for shape in shapes)
    assert len(layout.positions) == tokens
    assert sorted([*layout.frame_tokens.tolist(), *layout.lead_tokens.tolist()]) == list(range(tokens))
    assert [run.rows for run in layout.row_runs] == [3, 3]
    assert [run.tokens.stop for run in layout.row_runs] == [3 * (3 + lead), tokens]
    assert [(run.first, run.frame_tokens.stop) for run in layout.time_runs] == [(0, 19), (3, 24)]
    frames = [*[0, 1, 2] * 2, 3, 4, 5, *[6, 7, 8, 9, 10] * 2, 11, 12, 13, 14, 15]
    assert layout.frame_of_token.tolist() == frames


@pytest.mark.parametrize("scores", [1, 3 * 50**2, 2**20])
def test_attention_in_bfloat16_is_that_of_float32_rounded(scores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "CHUNK_SCORES", scores)
    packed = torch.randn(2, 50, 3, 4, 16).permute(2, 0, 3, 1, 4)  # 8 heads in all: no multiple of 3
    expected = torch.nn.functional.scaled_dot_product_attention(*packed)
    found = products.attend(*packed.to(torch.bfloat16))
    assert found.shape == expected.shape
    torch.testing.assert_close(found.float(), expected, rtol=0, atol=2e-2)
    torch.testing.assert_close(products.attend(*packed), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("gelu", [False, True])
def test_products_are_those_of_torch(dtype: torch.dtype, gelu: bool) -> None:
    weight, bias, x = torch.randn(24, 16).to(dtype), torch.randn(24).to(dtype), torch.randn(7, 16).to(dtype)
    for added in (bias, None):
        expected = torch.nn.functional.linear(x.float(), weight.float(), None if added is None else added.float())
        if gelu:
            expected = torch.nn.functional.gelu(expected, approximate="tanh")
        found = products.Product(weight, added, gelu=gelu)(x)
        assert found.dtype == dtype
        rtol = 1e-5 if dtype == torch.float32 else 1e-2
        torch.testing.assert_close(found.float(), expected, rtol=rtol, atol=rtol)


def test_the_spectrogram_is_f5_tts_s() -> None:
    # f5_tts.model.modules imports much; this is its get_vocos_mel_spectrogram in plain torch.
    from torchaudio.functional import melscale_fbanks

    samples = torch.randn(5000) * 0.1
    spectrum = torch.stft(
        samples, 1024, 256, 1024, torch.hann_window(1024), center=True, pad_mode="reflect", return_complex=True
    )
    filters = melscale_fbanks(513, 0.0, 12000.0, 100, 24000, norm=None, mel_scale="htk")
    expected = (spectrum.abs().T @ filters).clamp(min=1e-5).log()
    found = LogMel()(samples)
    assert found.shape == (5000 // 256 + 1, 100)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)
