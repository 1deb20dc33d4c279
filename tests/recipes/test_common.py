"""Code that recipes share."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from recipes.common import score
from recipes.common.attention import Attention, attention, causal_mask
from recipes.common.sentences import held_out, judged, letters, tidy
from recipes.common.transcriber import FOLDERS, Transcriber
from recipes.common.words import LISTS, greetings


@pytest.mark.parametrize("causal", [False, True])
def test_attention_and_its_gradient_match_torch(causal: bool) -> None:
    torch.manual_seed(0)
    parts = [torch.randn(2, 2, 5, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    torch.testing.assert_close(
        attention(*parts, causal=causal), F.scaled_dot_product_attention(*parts, is_causal=causal)
    )
    mask = causal_mask(5, parts[0].detach()) if causal else None
    assert torch.autograd.gradcheck(Attention.apply, (*parts, mask))


def test_judged_sentences_are_100_and_not_in_training_material() -> None:
    texts = judged()
    assert len({letters(text) for text in texts}) == 100
    assert {letters(text) for text in texts}.isdisjoint(map(letters, [*held_out(), *greetings()]))
    assert [text for text in texts if tidy(text) != text] == []  # plain words: no digits, no abbreviations
    assert not any(name in text for text in texts for name in LISTS["name"] + LISTS["place"])  # words of the patterns


@pytest.mark.parametrize("model", FOLDERS)
def test_transcriber_loads_from_its_packages(model: str) -> None:
    tone = np.sin(np.arange(24000) * 0.1).astype(np.float32)
    assert isinstance(Transcriber(model, 1).transcribe(tone, 24000), str)


def test_judge_prints_word_error_rates_of_all_texts_and_of_parts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class FakeTranscriber:
        def __init__(self, model: str, threads: int) -> None:
            self._wrong = model == "base"

        def transcribe(self, samples: np.ndarray, rate_hz: int) -> str:
            return "one thing" if self._wrong and samples[0] else "one thing more"

    monkeypatch.setattr(score, "Transcriber", FakeTranscriber)
    spoken = score.Spoken(["One thing more."] * 2, [np.zeros(100), np.ones(100)], seconds=3.0)
    score.Judge()("a test", spoken, 100, {"second": slice(1, None)})
    assert capsys.readouterr().out.splitlines() == [
        "a test: 2 s of sound, real-time factor 1.50",
        "  all, 2 texts: word error rate 0.000 (tiny.en), 0.167 (base)",
        "  second, 1 texts: word error rate 0.000 (tiny.en), 0.333 (base)",
    ]
