"""Built-in voices that a checkpoint brings along."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from f5.sampling import write_model

from backends.base import EngineConfig, Finished, Job
from backends.errors import InvalidJob, LoadError
from backends.f5.engine import F5Engine
from backends.f5.mel import LogMel
from backends.f5.voices import Voices, folder_clips

SAID = "A clip of some two seconds."


def write_clip(folder: Path, name: str, *, text: str | None = SAID, seconds: float = 2.0, hz: float = 180) -> None:
    t = np.arange(int(seconds * 24000)) / 24000
    soundfile.write(folder / f"{name}.wav", 0.3 * np.sin(2 * np.pi * hz * t), 24000)
    if text is not None:
        (folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")


def test_a_checkpoints_own_voices_speak_instead_of_the_shipped_ones(tmp_path: Path) -> None:
    (voices := tmp_path / "voices").mkdir()
    write_clip(voices, "deep", hz=90)
    write_clip(voices, "clear")
    model = {**write_model(tmp_path, "tiny"), "voices": str(voices), "languages": ["de"]}
    engine = F5Engine(EngineConfig("f5", device="cpu", dtype="float32", model=model, defaults={"nfe": 1}))
    offered = engine.load().voices
    assert [(voice.name, voice.language) for voice in offered] == [("clear", "de"), ("deep", "de")]
    made = {}
    for name in (None, "clear", "deep"):
        engine.add(Job(str(name), "Guten Tag.", seed=1, voice=name))
        events = []
        while not any(isinstance(event, Finished) for event in events):
            events += engine.step()
        made[name] = events[0].samples
    assert np.array_equal(made[None], made["clear"])
    assert not np.array_equal(made["deep"], made["clear"])
    with pytest.raises(InvalidJob, match="has no voice 'basic_en'; it has clear, deep"):
        engine.add(Job("a", "Guten Tag.", seed=1, voice="basic_en"))
    engine.close()


@pytest.mark.parametrize(
    ("clip", "complaint"),
    [
        ({"text": None}, r"one\.txt: no readable transcript of one\.wav"),
        ({"text": " "}, r"one\.txt: does not say what is said in one\.wav"),
        ({"seconds": 0.2}, r"voice 'one': .*less than 0\.5 s of sound"),
        ({"seconds": 0}, r"voice 'one': .*less than 0\.5 s of sound"),
    ],
)
def test_a_clip_of_no_use_is_named(tmp_path: Path, clip: dict, complaint: str) -> None:
    write_clip(tmp_path, "one", **clip)
    with pytest.raises(LoadError, match=complaint):
        Voices(LogMel(), folder_clips(tmp_path, "en"))


def test_a_file_that_is_no_sound_and_a_folder_without_any_are_named(tmp_path: Path) -> None:
    with pytest.raises(LoadError, match=r"0 recordings \(NAME\.wav\)"):
        folder_clips(tmp_path, "en")
    write_clip(tmp_path, "one")
    (tmp_path / "one.wav").write_bytes(b"no sound")
    with pytest.raises(LoadError, match=r"one\.wav"):
        folder_clips(tmp_path, "en")
