"""Built-in voices of a checkpoint: a folder of clips replaces f5-tts's, and unusable clips are rejected by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.f5.sampling import write_model

from backends.base import EngineConfig, Finished, Job
from backends.errors import InvalidJob, LoadError
from backends.f5.builtin_voices import folder_clips
from backends.f5.mel import LogMel
from backends.f5.plugin import F5Plugin
from backends.f5.references import References

TRANSCRIPT = "A clip of some two seconds."


def write_clip(
    folder: Path, name: str, *, text: str | None = TRANSCRIPT, seconds: float = 2.0, hz: float = 180
) -> None:
    t = np.arange(int(seconds * 24000)) / 24000
    soundfile.write(folder / f"{name}.wav", 0.3 * np.sin(2 * np.pi * hz * t), 24000)
    if text is not None:
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def test_folder_of_clips_replaces_the_package_voices(tmp_path: Path) -> None:
    (voices := tmp_path / "voices").mkdir()
    write_clip(voices, "deep", hz=90)
    write_clip(voices, "clear")
    model = {**write_model(tmp_path, "tiny"), "voices": str(voices), "languages": ["de"]}
    engine = F5Plugin(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 1})).load()
    offered = engine.capabilities.voices
    assert [(voice.name, voice.language) for voice in offered] == [("clear", "de"), ("deep", "de")]
    spoken = {}
    for name in (None, "clear", "deep"):
        engine.add(Job(str(name), "Guten Tag.", seed=1, voice=name))
        events = []
        while not any(isinstance(event, Finished) for event in events):
            events += engine.step()
        spoken[name] = events[0].samples
    assert np.array_equal(spoken[None], spoken["clear"])
    assert not np.array_equal(spoken["deep"], spoken["clear"])
    with pytest.raises(InvalidJob, match="has no voice 'basic_en'; it has clear, deep"):
        engine.add(Job("a", "Guten Tag.", seed=1, voice="basic_en"))
    engine.close()


@pytest.mark.parametrize(
    ("clip", "message"),
    [
        ({"text": None}, r"one\.txt: no readable transcript of one\.wav"),
        ({"text": " "}, r"one\.txt: empty; must be the transcript of one\.wav"),
        ({"seconds": 0.2}, r"voice 'one': .*less than 0\.5 s of sound"),
        ({"seconds": 0}, r"voice 'one': .*less than 0\.5 s of sound"),
    ],
)
def test_unusable_clip_is_rejected_by_name(tmp_path: Path, clip: dict, message: str) -> None:
    write_clip(tmp_path, "one", **clip)
    with pytest.raises(LoadError, match=message):
        References(LogMel(), folder_clips(tmp_path, "en"))


def test_folder_without_clips_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"0 recordings \(NAME\.wav\)"):
        folder_clips(tmp_path, "en")


def test_file_that_is_not_audio_is_rejected_by_name(tmp_path: Path) -> None:
    write_clip(tmp_path, "one")
    (tmp_path / "one.wav").write_bytes(b"not audio")
    with pytest.raises(LoadError, match=r"one\.wav"):
        folder_clips(tmp_path, "en")
