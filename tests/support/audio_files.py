"""Audio files for decoder tests, and measurements of decoded audio."""

import functools
import struct
import subprocess
import tempfile
import zlib

import numpy as np

from gateway.audio.decode import decode
from gateway.audio.encode import encode
from gateway.audio.formats import FORMATS

RATE_HZ = 24_000
TONE_HZ = 440
RAW = {"pcm": "s16le", "mulaw": "mulaw", "alaw": "alaw"}
"""Formats without a header, mapped to FFmpeg's demuxers."""


def tone(seconds=1.0, rate_hz=RATE_HZ, frequency_hz=TONE_HZ):
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    return (0.5 * np.sin(2 * np.pi * frequency_hz * t)).astype(np.float32)


def decoded(data, *, max_s=30.0, min_s=0.1, param="audio"):
    return decode(data, max_s=max_s, min_s=min_s, param=param)


def peak_hz(audio):
    spectrum = np.abs(np.fft.rfft(audio.samples * np.hanning(len(audio.samples))))
    return np.argmax(spectrum) * audio.rate_hz / len(audio.samples)


def wav_of(channels, rate_hz=RATE_HZ):
    """A WAV file of 32-bit floats; ``channels`` has shape (C, N)."""
    count = len(channels)
    data = np.ascontiguousarray(np.asarray(channels, "<f4").T).tobytes()
    head = struct.pack("<HHIIHH", 3, count, rate_hz, rate_hz * count * 4, count * 4, 32)
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def ffmpeg_made(tmp_path, name, *options, source=()):
    """Encode a tone with the ffmpeg command."""
    path = tmp_path / name
    tone_path = tmp_path / "tone.wav"
    tone_path.write_bytes(encode(tone(), RATE_HZ, FORMATS["wav"], RATE_HZ))
    command = ["ffmpeg", "-v", "error", "-y", *source, "-i", str(tone_path), *options, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path.read_bytes()


def syncsafe(number):
    return bytes(number >> shift & 127 for shift in (21, 14, 7, 0))


@functools.cache
def id3_bomb(fields, field_bytes=2**20):
    """An ID3 tag of compressed text fields."""
    tag = b""
    for index in range(fields):
        text = b"\0" + str(index).encode() + b"\0" + b"A" * field_bytes
        packed = struct.pack(">I", len(text)) + zlib.compress(text)
        tag += b"TXXX" + syncsafe(len(packed)) + struct.pack(">H", 0x0009) + packed
    tag += bytes(len(tag) % 2)
    return b"ID3\x04\x00\x00" + syncsafe(len(tag)) + tag


def chirp(seconds=2.0, rate_hz=RATE_HZ):
    """A chirp from 200 to 2000 Hz, shape (N,). Its autocorrelation has one peak, so delays can be measured."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * (200 * t + 900 * t**2 / seconds)
    return (0.6 * np.sin(phase) * np.hanning(len(t))).astype(np.float32)


def chunked(samples, sizes):
    start = 0
    for size in sizes:
        if start >= len(samples):
            return
        yield samples[start : start + size]
        start += size


def ffmpeg_decoded(data, name, rate_hz=RATE_HZ):
    """Decode with the ffmpeg command; shape (N,), at the file's sample rate."""
    source = ["-f", RAW[name], "-ar", str(rate_hz), "-ac", "1"] if name in RAW else []
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        command = ["ffmpeg", "-v", "error", *source, "-i", file.name, "-f", "s16le", "-"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=True)
    assert done.stderr == b""
    return np.frombuffer(done.stdout, np.int16).astype(np.float32) / 32767
