"""The engine keeps the contract of ``backends.testing``, and chooses voices by name, language and script."""

from pathlib import Path

import pytest
from voxgate_espeak import EspeakPlugin, sentences

from backends.base import EngineConfig
from backends.errors import InvalidConfig, InvalidJob
from backends.testing import EngineContract, EngineProfile


class TestEspeak(EngineContract):
    @classmethod
    def profile(cls, folder: Path) -> EngineProfile:
        return EngineProfile(EspeakPlugin, unsupported_text="Привет", seeded=False)

    @pytest.mark.parametrize(
        ("language", "text"),
        [("de", "Guten Tag."), ("zh", "你好。"), ("ru", "Привет."), ("ar", "مرحبا."), ("pt-BR", "Bom dia.")],
    )
    def test_language_selects_a_voice_that_reads_its_script(self, runner, language, text):
        assert len(runner.run(runner.job("a", text, language=language))["a"]) > 5000

    def test_pitch_changes_the_audio(self, runner):
        low = runner.run(runner.job("low", options={"pitch": 0}))["low"]
        high = runner.run(runner.job("high", options={"pitch": 99}))["high"]
        assert low.shape != high.shape or (low != high).any()

    def test_slowest_speed_stretches_the_audio(self, runner):
        frames = {speed: len(runner.run(runner.job("a", speed=speed))["a"]) for speed in (0.25, 1.0)}
        assert frames[0.25] == pytest.approx(4 * frames[1.0], rel=0.2)

    @pytest.mark.parametrize(("voice", "language"), [(None, "xx"), ("en-us", "de"), ("de", "en-US")])
    def test_language_that_the_voice_does_not_speak_is_refused(self, runner, voice, language):
        with pytest.raises(InvalidJob) as caught:
            runner.engine.add(runner.job("a", "text", voice=voice, language=language))
        assert caught.value.param == "language"

    def test_double_brackets_are_not_read_as_phonemes(self, runner):
        with_phonemes = runner.run(runner.job("a", "One [[tu:]] three."))["a"]
        assert len(with_phonemes) > len(runner.run(runner.job("b", "One two three."))["b"])


def test_unknown_default_voice_is_refused():
    with pytest.raises(InvalidConfig, match=r"engines\.mine\.model\.voice: no voice 'xx'"):
        EspeakPlugin(EngineConfig("mine", model={"voice": "xx"}))


def test_spans_cover_every_sentence_and_skip_punctuation():
    text = "One. “Two?” … Three\n你好。再见"
    assert [text[start:end].strip() for start, end in sentences(text)] == ["One.", "“Two?”", "Three", "你好。", "再见"]
