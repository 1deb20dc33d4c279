"""Text chunking, durations and cross-fades: the same results as f5-tts, and no text is lost."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
import torch
from support.f5 import upstream

from backends.f5.chunking import (
    HOP_SAMPLES,
    MIN_CHUNK_BYTES,
    RATE_HZ,
    SHORT_TEXT_BYTES,
    CrossFader,
    duration_frames,
    max_chunk_bytes,
    prompt_text,
    share_duration,
    split_text,
    spoken_text,
)

ENGLISH = (
    "I don't really care what you call me. I've been a silent spectator, watching species evolve, empires rise and "
    "fall. But always remember, I am mighty and enduring. It costs 3,500.75 dollars: too much? Yes! Well;  no."
)
CHINESE = (
    "突然，身边一阵笑声。我看着他们，意气风发地挺直了胸膛，甩了甩那稍显肉感的双臂，"
    "轻笑道：我身上的肉，是为了掩饰我爆棚的魅力！"
)
MIXED = "你好，world. This is 混合 text，with both。再见！ Goodbye; 完。And so on, 一二三：four five."
LINES = "First line.\nSecond line,\n\n  third part!  End without a mark"
UNMARKED = "one two three four five six seven eight nine ten " * 20
UNSPACED = "一二三四五六七八九十" * 40
TEXTS = {"english": ENGLISH, "chinese": CHINESE, "mixed": MIXED, "lines": LINES, "long": (ENGLISH + " ") * 9}


def chunks(text: str, max_bytes: int, first_max_bytes: int | None = None) -> list[str]:
    return [spoken_text(text[start:end]) for start, end in split_text(text, max_bytes, first_max_bytes)]


def covers(text: str, spans: list[tuple[int, int]]) -> bool:
    edges = [start for start, _ in spans] + [spans[-1][1]]
    return edges[0] == 0 and edges[-1] == len(text) and all(a[1] == b[0] for a, b in pairwise(spans))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", TEXTS)
def test_chunks_match_f5_tts(name: str) -> None:
    text = TEXTS[name]
    chunk_text = upstream.utils_infer().chunk_text
    longest = max(len(clause.encode()) for clause in chunk_text(text, 1))
    for max_bytes in range(longest, 400, 7):
        assert chunks(text, max_bytes) == chunk_text(text, max_bytes)
        assert covers(text, split_text(text, max_bytes))


def test_chunks_of_random_texts_match_f5_tts() -> None:
    chunk_text = upstream.utils_infer().chunk_text
    draw = random.Random(0)
    for _ in range(500):
        words = ["one", "two,", "3,5", "four. ", "五", "六，", "seven!?", "eight\n", "九。", "...", "ten;", "“q.”", "é"]
        text = "".join(draw.choice(words) + draw.choice(["", " ", " ", "  "]) for _ in range(40)).strip()
        longest = max(len(clause.encode()) for clause in chunk_text(text, 1))
        for max_bytes in (longest, longest + 20, 300):
            assert chunks(text, max_bytes) == chunk_text(text, max_bytes)


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, MIXED, LINES, UNMARKED, UNSPACED, "a" * 500, "e\u0301" * 100])
@pytest.mark.parametrize("max_bytes", [MIN_CHUNK_BYTES, 31, 60, 200])
def test_chunks_cover_the_text_within_the_limit(text: str, max_bytes: int) -> None:
    spans = split_text(text, max_bytes)
    assert covers(text, spans)
    assert all(0 < len(spoken_text(text[start:end]).encode()) <= max_bytes for start, end in spans)


def test_many_combining_marks_do_not_multiply_chunks() -> None:
    text = "a" + "\u0301" * 5000
    assert len(split_text(text, 100)) <= len(text.encode()) / 50 + 1


def test_long_clause_is_cut_between_words_and_never_inside_a_character() -> None:
    words = set(UNMARKED.split())
    assert all(set(chunk.split()) <= words for chunk in chunks(UNMARKED, 50))
    assert min(len(chunk) for chunk in chunks(UNMARKED, 50)[:-1]) > 25
    assert not any(chunk.startswith("\u0301") for chunk in chunks("e\u0301" * 100, 31))
    assert chunks("一二三四、五六七八九十一二三四", 30)[0] == "一二三四、五六七八九"[:5]


def test_first_chunk_is_shorter_and_ends_at_a_clause() -> None:
    assert chunks(ENGLISH, 135, 60)[0] == "I don't really care what you call me."
    assert chunks(ENGLISH, 135, 5)[0] == "I don't really care what you call me."  # at least one clause
    assert (
        chunks("Oh, yes. That is quite a thing to say, you know.", 135, 5)[0]
        == "Oh, yes. That is quite a thing to say,"
    )
    assert chunks(ENGLISH, 135, 1000) == chunks(ENGLISH, 135)
    spans = split_text(ENGLISH, 135, 60)
    assert covers(ENGLISH, spans)
    first_end = spans[0][1]
    assert chunks(ENGLISH, 135, 60)[1:] == chunks(ENGLISH[first_end:], 135)


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_blank_text_has_no_chunks(text: str) -> None:
    assert split_text(text, 100) == []


def test_surrounding_white_space_belongs_to_the_chunks() -> None:
    text = "  One sentence.  And another.  \n"
    assert split_text(text, 20) == [(0, 17), (17, len(text))]
    assert chunks(text, 20) == ["One sentence.", "And another."]


@pytest.mark.parametrize("speed", [0.5, 1.0, 1.7])
@pytest.mark.parametrize(
    ("ref_text", "ref_s"), [("Some call me nature, others call me mother nature. ", 5.4), ("你好，世界。", 2.05)]
)
def test_chunk_limit_matches_f5_tts(monkeypatch: pytest.MonkeyPatch, ref_text: str, ref_s: float, speed: float) -> None:
    module = upstream.utils_infer()
    samples = int(ref_s * RATE_HZ)
    seen = []
    monkeypatch.setattr(module.torchaudio, "load", lambda _: (torch.zeros(1, samples), RATE_HZ))
    monkeypatch.setattr(module, "chunk_text", lambda text, max_chars: seen.append(max_chars) or [])
    module.infer_process("unused", ref_text, ENGLISH, None, None, show_info=lambda _: None, speed=speed)
    assert [max_chunk_bytes(ref_text, samples / RATE_HZ, speed)] == seen


def test_chunk_limit_exceeds_a_short_text() -> None:
    assert max_chunk_bytes("Oh. ", 12.0, 0.5) == MIN_CHUNK_BYTES > SHORT_TEXT_BYTES


@pytest.mark.parametrize("ref_text", ["Some call me nature. ", "没有人。", "Mixed 文字. "])
@pytest.mark.parametrize("fix_duration_s", [None, 9.3])
@pytest.mark.parametrize("speed", [0.7, 1.0, 2.0])
def test_durations_and_prompts_match_f5_tts(
    monkeypatch: pytest.MonkeyPatch, ref_text: str, fix_duration_s: float | None, speed: float
) -> None:
    texts = ["No.", "A full sentence.", "123456789", "1234567890", "一二三", "一二三四", CHINESE, ENGLISH]
    reference = torch.full((1, int(4.321 * RATE_HZ)), 0.2)
    frames = reference.shape[-1] // HOP_SAMPLES
    converted = []
    monkeypatch.setattr(upstream.utils_infer(), "convert_char_to_pinyin", lambda texts: converted.append(texts[0]))
    for several in ([text] for text in texts), [texts[3:]]:
        for batch in several:
            calls, _ = upstream.infer_batch(
                monkeypatch, (reference, RATE_HZ), ref_text, batch, speed=speed, fix_duration=fix_duration_s
            )
            shares = share_duration(fix_duration_s, frames, batch, 0.15)
            ours = [
                duration_frames(frames, ref_text, text, speed, share) for text, share in zip(batch, shares, strict=True)
            ]
            assert ours == [call["duration"] for call in calls]
            assert converted == [prompt_text(ref_text) + text for text in batch]
            converted.clear()


@pytest.mark.parametrize("cross_fade_s", [0.0, 0.0001, 0.15, 0.5])
@pytest.mark.parametrize(
    "lengths",
    [(9000,), (9000, 8000), (9000, 100, 9000), (100, 9000), (50, 60, 70, 80), (4000, 3600, 3599, 3601, 2), (9000,) * 5],
)
def test_cross_fades_match_f5_tts(
    monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...], cross_fade_s: float
) -> None:
    waves = [np.random.default_rng(i).standard_normal(n).astype(np.float32) for i, n in enumerate(lengths)]
    reference = (torch.full((1, RATE_HZ), 0.2), RATE_HZ)
    texts = ["Some sentence."] * len(waves)
    _, expected = upstream.infer_batch(
        monkeypatch, reference, "x. ", texts, waves=waves, cross_fade_duration=cross_fade_s
    )
    fader = CrossFader(int(cross_fade_s * RATE_HZ))
    parts = [fader.push(wave) for wave in waves]
    parts.append(fader.finish())
    assert all(part.dtype == np.float32 for part in parts)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=1e-6)
    assert len(fader.finish()) == 0


def test_cross_fader_holds_back_the_overlap_only() -> None:
    fader = CrossFader(100)
    assert len(fader.push(np.ones(1000, np.float32))) == 900
    assert len(fader.push(np.ones(0, np.float32))) == 0
    assert len(fader.push(np.ones(1000, np.float32))) == 900
    assert len(fader.finish()) == 100
