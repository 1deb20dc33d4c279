"""Pipecat's Fish Audio and OpenAI services with their defaults, except for the address."""

import asyncio
import importlib.util
import json
import pathlib
import sys

from pipecat.frames.frames import ErrorFrame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.services.openai.tts import OpenAITTSService
from pipecat.tests.utils import run_test

EXAMPLE = pathlib.Path(__file__).parents[3] / "examples/pipecat_speech.py"
PATIENT = {"stop_frame_timeout_s": 30}  # for audio; on a busy machine the first request can take more than 3 s


async def speak(service, *texts):
    down, up = await run_test(service, frames_to_send=[TTSSpeakFrame(text) for text in texts], start_timeout=30)
    audio = [frame for frame in down if isinstance(frame, TTSAudioRawFrame)]
    return {
        "model": service._settings.model,
        "rates": sorted({frame.sample_rate for frame in audio}),
        "spoken_s": sum(len(frame.audio) / 2 / frame.sample_rate for frame in audio),
        "smallest": min(len(frame.audio) for frame in audio),
        "contexts": len({frame.context_id for frame in audio}),
        "errors": [frame.error for frame in [*down, *up] if isinstance(frame, ErrorFrame)],
    }


async def main(url, file):
    spec = importlib.util.spec_from_file_location("example", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    fish = example.VoxgateTTSService(url, api_key="none")
    found = {"fish": await speak(fish, "Hello there. How are you?", "😀")}
    openai = OpenAITTSService(api_key="none", base_url=f"{url}/v1", **PATIENT)
    found["openai"] = await speak(openai, "Hello there.", "😀", "Again.")
    await example.main("Hello there.", file)
    print(json.dumps(found))


asyncio.run(main(*sys.argv[1:]))
