"""Fish Audio's clients, the old and the new one, with a running gateway."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from fish_audio_sdk import HttpCodeErr, Prosody, Session, TTSRequest
from fish_audio_sdk import ReferenceAudio as OldReference
from fishaudio import AsyncFishAudio, FishAudio
from fishaudio.exceptions import APIError, NotFoundError, ServerError
from fishaudio.types import Prosody as NewProsody
from fishaudio.types import ReferenceAudio, TTSConfig
from support.gateway_process import TONE, Gateway, read_audio, start_gateway, wait_ready

from gateway.audio.decode import decode

EXAMPLE = Path(__file__).parents[2] / "examples/fish_audio_speech.py"
LONG = "This is a sentence. " * 10
LONG_S = 0.05 * len(LONG)  # as the tone engine speaks it
TONE_MODEL = "tone"


@pytest.fixture
def old(gateway: Gateway) -> Iterator[Session]:
    with Session("none", base_url=gateway.url) as session:
        yield session


@pytest.fixture
def new(gateway: Gateway) -> Iterator[FishAudio]:
    with FishAudio(api_key="none", base_url=gateway.url) as client:
        yield client


def pitch_hz(samples: np.ndarray, rate: int) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


def test_first_lines_of_both_guides_work(old: Session, new: FishAudio) -> None:
    text = "Hello from Voxgate."
    for audio in (b"".join(old.tts(TTSRequest(text=text))), new.tts.convert(text=text)):
        assert audio[:2] == b"\xff\xf3", "MPEG-2 layer III"
        assert 0.8 < decode(audio, min_s=0, max_s=9).duration_s < 3


@pytest.mark.parametrize("format_", ["wav", "pcm", "mp3", "opus"])
def test_new_client_receives_every_format(new: FishAudio, format_: str) -> None:
    audio = new.tts.convert(text=LONG, format=format_, model=TONE_MODEL)
    if format_ == "pcm":
        assert len(audio) / 2 / 24000 == pytest.approx(LONG_S)
    else:
        assert decode(audio, min_s=0, max_s=60).duration_s == pytest.approx(LONG_S, abs=0.1)


def test_wav_header_states_the_length(old: Session) -> None:
    audio = b"".join(old.tts(TTSRequest(text=LONG, format="wav"), backend=TONE_MODEL))
    assert int.from_bytes(audio[40:44], "little") == len(audio) - 44 == round(LONG_S * 24000) * 2


def test_sample_rate_bit_rate_speed_and_volume_are_applied(old: Session, new: FishAudio) -> None:
    loud, _ = read_audio(new.tts.convert(text=LONG, format="wav", model=TONE_MODEL))
    config = TTSConfig(format="wav", sample_rate=16000, prosody=NewProsody(speed=2.0, volume=-6.0))
    samples, rate = read_audio(new.tts.convert(text=LONG, config=config, model=TONE_MODEL))
    assert rate == 16000
    assert len(samples) / rate == pytest.approx(LONG_S / 2, abs=0.01)
    assert np.std(samples) == pytest.approx(np.std(loud) * 10 ** (-6 / 20), rel=0.02)
    request = TTSRequest(text=LONG, mp3_bitrate=64, prosody=Prosody(speed=0.5))
    small = b"".join(old.tts(request, backend=TONE_MODEL))
    assert len(small) * 8 / (2 * LONG_S) == pytest.approx(64000, rel=0.05)


def test_references_are_cloned(old: Session, new: FishAudio, clip: bytes) -> None:
    by_old = b"".join(
        old.tts(
            TTSRequest(text=LONG, format="wav", references=[OldReference(audio=clip, text="said")]), backend=TONE_MODEL
        )
    )
    references = [ReferenceAudio(audio=clip, text="said")]
    by_new = new.tts.convert(text=LONG, format="wav", references=references, model=TONE_MODEL)
    plain = new.tts.convert(text=LONG, format="wav", model=TONE_MODEL)
    pitches = [pitch_hz(*read_audio(audio)) for audio in (by_old, by_new, plain)]
    assert pitches[0] == pitches[1] >= 300 > pitches[2] == pytest.approx(220, abs=1)


def test_models_are_created_listed_used_renamed_and_deleted(
    old: Session, new: FishAudio, gateway: Gateway, clip: bytes
) -> None:
    made = old.create_model(title="Of the old", voices=[clip], texts=["said"], description="a tone")
    assert (made.title, made.state, made.samples[0].text) == ("Of the old", "trained", "said")
    other = new.voices.create(title="Of the new", voices=[clip], texts=["something else"], tags=["low"])
    try:
        for listed in (old.list_models(title="of the"), new.voices.list(title="of the", language=[])):
            assert listed.total == 2
            assert [model.title for model in listed.items] == ["Of the new", "Of the old"]
        assert new.voices.list(page_size=1, page_number=2, title="of the").items[0].id == made.id
        assert old.get_model(other.id).title == new.voices.get(other.id).title == "Of the new"
        reference = [ReferenceAudio(audio=clip, text="said")]
        given = new.tts.convert(text=LONG, format="wav", references=reference, model=TONE_MODEL)
        stored = new.tts.convert(text=LONG, format="wav", reference_id=made.id, model=TONE_MODEL)
        assert pitch_hz(*read_audio(stored)) >= 300
        assert len(stored) == len(given)
        old.update_model(made.id, title="Renamed", visibility="public")
        new.voices.update(other.id, title="Renamed too", cover_image=b"\x89PNG")
        assert [old.get_model(model.id).title for model in (made, other)] == ["Renamed", "Renamed too"]
    finally:
        old.delete_model(made.id)
        new.voices.delete(other.id)
    with pytest.raises(NotFoundError):
        new.voices.get(other.id)
    with pytest.raises(HttpCodeErr) as caught:
        old.get_model(made.id)
    assert caught.value.status == 404
    assert made.id in caught.value.message


def test_errors_raise_the_clients_exceptions(old: Session, new: FishAudio) -> None:
    with pytest.raises(NotFoundError, match="reference_id: unknown voice 'nobody'"):
        new.tts.convert(text="x", reference_id="nobody")
    with pytest.raises(NotFoundError, match="model: unknown model 'nothing'"):
        new.tts.convert(text="x", model="nothing")
    with pytest.raises(APIError, match="sample_rate: mp3 does not support 7 Hz"):
        new.tts.convert(text="x", config=TTSConfig(sample_rate=7))
    with pytest.raises(APIError, match="text: ") as refused:
        new.tts.convert(text="  ")
    assert refused.value.status == 422
    with pytest.raises(HttpCodeErr, match="404 Not Found"):  # from a stream, the old client reads only the status
        list(old.tts(TTSRequest(text="x", reference_id="nobody")))
    with pytest.raises(HttpCodeErr, match="422 page_size: "):
        old.list_models(page_size=1000)
    with pytest.raises(NotFoundError, match="speech recognition is not supported"):
        new.asr.transcribe(audio=b"x")
    with pytest.raises(NotFoundError, match="this gateway charges nothing"):
        new.account.get_credits()
    with pytest.raises(HttpCodeErr, match="404 accounts and billing are not supported"):
        old.get_package()


async def test_asynchronous_clients_work(gateway: Gateway) -> None:
    async with Session("none", base_url=gateway.url) as session:
        old = [chunk async for chunk in session.tts.awaitable(TTSRequest(text=LONG), backend=TONE_MODEL)]
        assert (await session.list_models.awaitable()).total == 0
    async with AsyncFishAudio(api_key="none", base_url=gateway.url) as client:
        many = await asyncio.gather(*(client.tts.convert(text=LONG, model=TONE_MODEL) for _ in range(4)))
    for audio in (b"".join(old), *many):
        assert decode(audio, min_s=0, max_s=60).duration_s == pytest.approx(LONG_S, abs=0.1)


def test_audio_streams_during_synthesis_and_the_example_runs(tmp_path: Path, clip: bytes) -> None:
    slow = {**TONE, "engines": {"tone": {"backend": "tone", "load": "eager", "defaults": {"step_s": 0.05}}}}
    gateway = start_gateway(tmp_path, slow)
    try:
        wait_ready(gateway)
        began_at = time.monotonic()
        arrived_s = []
        with Session("none", base_url=gateway.url) as session:
            for chunk in session.tts(TTSRequest(text=LONG)):
                arrived_s += [time.monotonic() - began_at] * bool(chunk)
        assert len(arrived_s) > 10
        assert arrived_s[0] < arrived_s[-1] / 4
        (tmp_path / "clip.wav").write_bytes(clip)
        command = [sys.executable, EXAMPLE, "Hello there.", tmp_path / "a.mp3", tmp_path / "clip.wav", "What is said."]
        env = {**os.environ, "FISH_BASE_URL": gateway.url, "FISH_MODEL": "tone"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        assert "with the stored voice voice-" in done.stdout
        assert soundfile.info(tmp_path / "a.mp3").duration == pytest.approx(0.6, abs=0.1)
        assert gateway.client.get("/model").json()["total"] == 0
    finally:
        gateway.stop()


def test_broken_stream_raises(tmp_path: Path) -> None:
    failing = {**TONE, "engines": {"tone": {"backend": "tone", "load": "eager", "defaults": {"fail_at": 20}}}}
    gateway = start_gateway(tmp_path, failing)
    try:
        wait_ready(gateway)
        with Session("none", base_url=gateway.url) as session, pytest.raises(httpx.RemoteProtocolError):
            list(session.tts(TTSRequest(text=LONG)))
        with FishAudio(api_key="none", base_url=gateway.url) as client, pytest.raises(ServerError, match="fail_at"):
            client.tts.convert(text=LONG, format="wav")
    finally:
        gateway.stop()
