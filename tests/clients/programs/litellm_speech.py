"""LiteLLM's speech call with its defaults, except for the address."""

import asyncio
import json
import sys

import litellm

litellm.telemetry = False


async def main(url):
    where = {"api_base": f"{url}/v1", "api_key": "none"}
    found = {}
    for model in ("openai/tts-1", "openai/gpt-4o-mini-tts"):
        response = litellm.speech(model=model, voice="alloy", input="Hello from Voxgate.", **where)
        found[model] = response.content[:3].hex(), len(response.content)
    nothing = await litellm.aspeech(model="openai/tts-1", voice="alloy", input=".", **where)
    found["nothing"] = nothing.response.headers["x-voxgate-note"]
    print(json.dumps(found))


asyncio.run(main(sys.argv[1]))
