"""Stream speech with OpenAI's asynchronous client.

    python examples/openai_stream.py "The first sentence plays while the second is being synthesized." |
        ffplay -nodisp -autoexit -f s16le -ar 24000 -i -

Needs openai, a part of `make install`. The server is OPENAI_BASE_URL, or by default a gateway on this machine.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

from openai import AsyncOpenAI


async def main(text: str) -> None:
    client = AsyncOpenAI(
        base_url=os.environ.get("OPENAI_BASE_URL", "http://localhost:8000/v1"),
        api_key=os.environ.get("OPENAI_API_KEY", "none"),
    )
    began_at = time.perf_counter()
    size = 0
    async with client.audio.speech.with_streaming_response.create(
        model="tts-1", voice="alloy", input=text, response_format="pcm"
    ) as response:
        async for data in response.iter_bytes():
            if not size:
                print(f"first audio after {time.perf_counter() - began_at:.2f} s", file=sys.stderr)
            size += len(data)
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
    seconds = size / 2 / 24_000
    print(f"{seconds:.1f} s of audio after {time.perf_counter() - began_at:.2f} s", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
