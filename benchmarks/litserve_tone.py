"""LitServe server that does the tone engine's job: it turns text into a WAV file."""

from __future__ import annotations

import io
import sys
import wave

import litserve
import numpy as np
from fastapi import Response

RATE_HZ = 24000


class Tone(litserve.LitAPI):
    def setup(self, device: str) -> None:
        pass

    def decode_request(self, request: dict) -> str:
        return request["text"]

    def predict(self, text: str) -> np.ndarray:
        time_s = np.arange(int(RATE_HZ * 0.05 * len(text))) / RATE_HZ
        noise = np.random.default_rng(1).standard_normal(len(time_s)) * 0.01
        return (0.3 * np.sin(2 * np.pi * 220 * time_s) + noise).astype(np.float32)

    def encode_response(self, samples: np.ndarray) -> Response:
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        return Response(buffer.getvalue(), media_type="audio/wav")


if __name__ == "__main__":
    server = litserve.LitServer(Tone(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", generate_client_file=False)
