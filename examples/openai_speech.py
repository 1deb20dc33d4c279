"""Write speech to a file with OpenAI's client.

    python examples/openai_speech.py "Hello from Voxgate." hello.mp3

Needs openai, a part of `make install`. The server is OPENAI_BASE_URL, or by default a gateway on this machine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from openai import OpenAI


def main(text: str, file: str) -> None:
    client = OpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
    )
    speech = client.audio.speech.create(
        model="tts-1",  # the gateway's default engine; or an engine's name
        voice="alloy",  # the engine's first voice; or a voice's name
        input=text,
        response_format=Path(file).suffix[1:],  # mp3, opus, aac, flac, wav or pcm
        extra_body={"seed": 1},  # a field of Voxgate: equal seeds give equal speech
    )
    speech.write_to_file(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
