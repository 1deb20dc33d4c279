"""Speak a text with Pipecat's Fish Audio service.

    pip install 'pipecat-ai[fish]'
    python examples/pipecat_speech.py "Hello from Voxgate." hello.wav

The server is FISH_BASE_URL, or by default a gateway on this machine. Pipecat has no setting for it, so that
VoxgateTTSService replaces the address. Use it in a pipeline in place of FishAudioTTSService.
"""

from __future__ import annotations

import asyncio
import os
import sys
import wave

from pipecat.frames.frames import EndFrame, Frame, TTSAudioRawFrame, TTSSpeakFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.fish.tts import FishAudioTTSService
from pipecat.workers.runner import WorkerRunner


class VoxgateTTSService(FishAudioTTSService):
    """Fish Audio's service with a gateway's address."""

    def __init__(self, base_url: str, **options):
        super().__init__(**options)
        self._base_url = base_url.replace("http", "ws", 1) + "/v1/tts/live"


class Collector(FrameProcessor):
    """Collects the audio of a pipeline."""

    def __init__(self):
        super().__init__()
        self.audio = b""
        self.rate_hz = 0

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.audio += frame.audio
            self.rate_hz = frame.sample_rate
        await self.push_frame(frame, direction)


async def main(text: str, file: str) -> None:
    server = os.environ.get("FISH_BASE_URL", "http://localhost:8000")
    tts = VoxgateTTSService(server, api_key=os.environ.get("FISH_API_KEY", "none"))
    collector = Collector()
    worker = PipelineWorker(Pipeline([tts, collector]))
    await worker.queue_frames([TTSSpeakFrame(text), EndFrame()])
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()
    with wave.open(file, "wb") as wav:
        wav.setparams((1, 2, collector.rate_hz, 0, "NONE", ""))
        wav.writeframes(collector.audio)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
