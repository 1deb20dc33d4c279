"""Clone a voice with Fish Audio's client.

    python examples/fish_audio_speech.py recording.wav "Transcript of the recording." "Hello from Voxgate." hello.mp3

The server is FISH_BASE_URL, or by default a gateway on this machine. Its default engine must support cloning.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from fishaudio import FishAudio
from fishaudio.types import ReferenceAudio, TTSConfig


def main(recording: str, transcript: str, text: str, file: str) -> None:
    client = FishAudio(
        base_url=os.environ.get("FISH_BASE_URL", "http://localhost:8000"),
        api_key=os.environ.get("FISH_API_KEY", "none"),
    )
    config = TTSConfig(format=Path(file).suffix[1:], mp3_bitrate=64)  # mp3, opus, wav or pcm
    voice = Path(recording).read_bytes()

    # With the recording in the request:
    audio = client.tts.convert(text=text, references=[ReferenceAudio(audio=voice, text=transcript)], config=config)
    Path(file).write_bytes(audio)

    # With a stored voice, which any request may name:
    model = client.voices.create(title="My voice", voices=[voice], texts=[transcript])
    again = client.tts.convert(text=text, reference_id=model.id, config=config)
    print(f"{len(audio)} bytes with the recording, {len(again)} with the stored voice {model.id}")
    client.voices.delete(model.id)


if __name__ == "__main__":
    main(*sys.argv[1:])
