"""LiveKit's Fish Audio and OpenAI plugins with their defaults, except for the address."""

import asyncio
import json
import sys

import aiohttp
from livekit.plugins import fishaudio, openai


async def spoken_s(tts, *pieces):
    stream = tts.stream()
    for piece in pieces:
        stream.push_text(piece)
    stream.end_input()
    duration_s = 0.0
    async for audio in stream:
        duration_s += audio.frame.duration
    await stream.aclose()
    return duration_s


class CountingSession(aiohttp.ClientSession):
    sockets = 0

    def ws_connect(self, *args, **options):
        type(self).sockets += 1
        return super().ws_connect(*args, **options)


async def speak_with_openai(url):
    errors = []
    tts = openai.TTS(base_url=f"{url}/v1", api_key="none")
    tts.on("error", lambda error: errors.append(str(error)))
    tts.prewarm()
    spoken = (await tts.synthesize("Hello from Voxgate.").collect()).duration
    nothing = (await tts.synthesize("…").collect()).duration
    await tts.aclose()
    return {"model": tts.model, "spoken_s": spoken, "nothing_s": nothing, "errors": errors}


async def main(url):
    errors = []
    async with CountingSession() as session:
        tts = fishaudio.TTS(api_key="none", base_url=url, http_session=session)
        tts.on("error", lambda error: errors.append(str(error)))
        found = {
            "model": tts.model,
            "http_s": (await tts.synthesize("Hello from Voxgate.").collect()).duration,
            "first_s": await spoken_s(tts, "Hello there. ", "How are", " you?"),
            "nothing_s": await spoken_s(tts, "😀"),
            "second_s": await spoken_s(tts, "A second one. 👍 And a third."),
        }
        opus = fishaudio.TTS(api_key="none", base_url=url, http_session=session, output_format="opus")
        found["opus_s"] = await spoken_s(opus, "Hello there.")
        await opus.aclose()
        await tts.aclose()
    print(
        json.dumps(
            {**found, "errors": errors, "sockets": CountingSession.sockets, "openai": await speak_with_openai(url)}
        )
    )


asyncio.run(main(sys.argv[1]))
