"""Speak with Fish Audio's client, and clone a voice.

    python examples/fish_audio_speech.py "Hello from Voxgate." hello.mp3
    python examples/fish_audio_speech.py "Hello from Voxgate." hello.mp3 recording.wav "Transcript of the recording."

Needs fish-audio-sdk, a part of `make install`. The server is FISH_BASE_URL, or by default a gateway on this machine.
The default engine speaks; FISH_MODEL (default: f5) clones. With the small checkpoints, a recording selects the nearest
of their own voices.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fishaudio import FishAudio
from fishaudio.types import ReferenceAudio, TTSConfig


def speak(client: FishAudio, text: str, file: str) -> None:
    """Speak with the default engine and its default voice."""
    config = TTSConfig(format=Path(file).suffix[1:], mp3_bitrate=64)  # mp3, opus, wav or pcm
    Path(file).write_bytes(client.tts.convert(text=text, config=config))


def clone(client: FishAudio, text: str, file: str, recording: str, transcript: str) -> None:
    """Speak with the voice of a recording, which is sent with the request and then stored."""
    engine = os.environ.get("FISH_MODEL", "f5")
    config = TTSConfig(format=Path(file).suffix[1:], mp3_bitrate=64)
    voice = Path(recording).read_bytes()

    # With the recording in the request:
    reference = ReferenceAudio(audio=voice, text=transcript)
    audio = client.tts.convert(text=text, references=[reference], config=config, model=engine)
    Path(file).write_bytes(audio)

    # With a stored voice, which any request may name:
    stored = client.voices.create(title="My voice", voices=[voice], texts=[transcript])
    again = client.tts.convert(text=text, reference_id=stored.id, config=config, model=engine)
    print(f"{len(audio)} bytes with the recording, {len(again)} with the stored voice {stored.id}")
    client.voices.delete(stored.id)


if __name__ == "__main__":
    base_url = os.environ.get("FISH_BASE_URL", "http://localhost:8000")
    fish = FishAudio(base_url=base_url, api_key=os.environ.get("FISH_API_KEY", "none"))
    (clone if len(sys.argv) > 3 else speak)(fish, *sys.argv[1:])
