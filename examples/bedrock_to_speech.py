"""Play a response of a model on Amazon Bedrock while the model writes it.

    python examples/bedrock_to_speech.py amazon.nova-lite-v1:0 "Why is the sky blue?" |
        ffplay -nodisp -autoexit -f s16le -ar 24000 -i -

Needs boto3, a part of `make install`, with credentials that allow ``bedrock:InvokeModelWithResponseStream``. For the
gateway see live_client.py.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any

import boto3
from live_client import play, speak

SYSTEM = "You are speaking: answer in a few plain sentences, without lists, headings or any other markup."


async def answer(bedrock: Any, model: str, question: str) -> AsyncIterator[str]:
    """Yield the text of a model's response as it is written. Blocks of reasoning and tool use are skipped."""
    stream = await asyncio.to_thread(
        bedrock.converse_stream,
        modelId=model,
        system=[{"text": SYSTEM}],
        messages=[{"role": "user", "content": [{"text": question}]}],
    )
    events = iter(stream["stream"])
    while (event := await asyncio.to_thread(next, events, None)) is not None:
        if text := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
            yield text


async def main(model: str, question: str, bedrock: Any = None) -> None:
    bedrock = bedrock or boto3.client("bedrock-runtime")
    async for event in speak(answer(bedrock, model, question), play):
        if event["type"] == "finished":
            print(f"{event['duration_ms'] / 1000:.1f} s of audio", file=sys.stderr)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
