"""Child processes of the decoder: their crashes and hangs fail one recording, and they end with the gateway."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import failing_decoder
from support.app import InMemory, in_memory
from support.audio_files import decoded, tone, wav_of

from gateway.audio import decode as module
from gateway.audio.decode import COMMAND, end_idle
from gateway.audio.decoder_process import REPLY, SAMPLES
from gateway.errors import InvalidRequest, UnsupportedMedia
from gateway.service.clips import MAX_CONCURRENT, ClipReader
from gateway.settings import Limits

WAV = wav_of([tone()])


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Use decoders that fail on certain files."""
    end_idle()
    monkeypatch.setattr(module, "COMMAND", (*COMMAND[:-1], failing_decoder.__name__))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    yield
    end_idle()


def decoders() -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if "decoder" in " ".join(child.cmdline())]


def stop_decoder() -> psutil.Process:
    """Stop the one idle decoder, so that it hangs on the next file."""
    end_idle()
    decoded(WAV)
    (process,) = decoders()
    process.suspend()
    return process


@pytest.mark.parametrize(("data", "number"), [(b"segfault", signal.SIGSEGV), (b"abort", signal.SIGABRT)])
def test_crash_is_an_invalid_request_and_the_next_file_is_decoded(failing: None, data: bytes, number: int) -> None:
    assert decoded(WAV).duration_s == 1.0
    (first,) = decoders()
    with pytest.raises(InvalidRequest, match=rf"the recording makes the decoder crash \(signal {number}\)") as caught:
        decoded(data, param="voice")
    assert (type(caught.value), caught.value.param) == (InvalidRequest, "voice")
    assert not psutil.pid_exists(first.pid)
    assert decoded(WAV).duration_s == 1.0
    assert len(decoders()) == 1


def test_error_of_the_decoder_itself_does_not_blame_the_recording(failing: None) -> None:
    with pytest.raises(RuntimeError, match="exited with status 3"):
        decoded(b"exit")


def test_memory_over_the_limit_is_refused_and_leaked_memory_ends_the_decoder(failing: None) -> None:
    with pytest.raises(UnsupportedMedia, match="takes too much memory to decode"):
        decoded(b"claim")
    (process,) = decoders()
    with pytest.raises(UnsupportedMedia, match="not an audio file"):
        decoded(b"leak")
    assert not psutil.pid_exists(process.pid)


async def test_crash_fails_its_request_and_no_other(failing: None, tmp_path: Path, clip: bytes) -> None:
    async def status(gateway: InMemory, name: str, data: bytes) -> tuple[int, str]:
        answer = await gateway.client.post("/v1/voices", data={"name": name}, files={"audio": ("a.wav", data)})
        error = answer.json().get("error", {})
        return answer.status_code, f"{error.get('type')} {error.get('param')}"

    uploads = {"one": clip, "two": b"segfault", "three": clip[:-2], "four": b"abort", "five": clip[:-4]}
    gateway = in_memory(tmp_path)
    results = await asyncio.gather(*(status(gateway, name, data) for name, data in uploads.items()))
    assert [code for code, _ in results] == [201, 422, 201, 422, 201]
    assert results[1] == results[3] == (422, "invalid_request audio")


def test_decoder_that_was_killed_while_idle_is_replaced() -> None:
    end_idle()
    decoded(WAV)
    (process,) = decoders()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert decoded(WAV).duration_s == 1.0
    assert [child.pid for child in decoders()] != [process.pid]


def test_decoder_that_hangs_is_killed_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    process = stop_decoder()
    monkeypatch.setattr(module, "DEADLINE_S", 0.1)
    with pytest.raises(UnsupportedMedia, match=r"takes more than 0\.1 s to decode"):
        decoded(wav_of([tone(30.0)]), max_s=40)  # more than the socket's buffer holds
    assert not psutil.pid_exists(process.pid)
    monkeypatch.undo()
    assert decoded(WAV).duration_s == 1.0


async def test_cancelled_request_ends_its_decoding_within_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    process = stop_decoder()
    monkeypatch.setattr(module, "DEADLINE_S", 0.2)
    reader = ClipReader(Limits())
    task = asyncio.create_task(reader.read(WAV, "audio", max_s=30))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not psutil.pid_exists(process.pid)
    monkeypatch.undo()
    clips = await asyncio.gather(*(reader.read(WAV, "audio", max_s=30) for _ in range(2 * MAX_CONCURRENT)))
    assert [clip.duration_s for clip in clips] == [1.0] * 4
    assert len(decoders()) <= MAX_CONCURRENT


@pytest.mark.parametrize(
    "reply",
    [
        (SAMPLES + 1, True, 0, 0),
        (SAMPLES, True, 0, 4),
        (SAMPLES, True, 2**31, 4),
        (SAMPLES, True, 24_000, 0),
        (SAMPLES, True, 24_000, 3),
        (SAMPLES, True, 24_000, 2**62),
        (0, True, 0, 2**62),
    ],
)
def test_forged_reply_is_refused_and_its_sender_killed(monkeypatch: pytest.MonkeyPatch, reply: tuple[Any, ...]) -> None:
    end_idle()
    decoded(WAV)
    (process,) = decoders()
    ours, theirs = socket.socketpair()
    with theirs:
        theirs.sendall(REPLY.pack(*reply) + bytes(16))
        idle = module._idle[0]
        process.suspend()  # else it ends with its socket
        idle._socket.close()
        idle._socket = ours
        with pytest.raises(InvalidRequest):
            decoded(WAV)
    assert not psutil.pid_exists(process.pid)
    assert not module._idle


def test_decoder_ends_when_the_gateway_is_killed() -> None:
    program = (
        "import sys, time\n"
        "from support.audio_files import decoded, tone, wav_of\n"
        "decoded(wav_of([tone()]))\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as gateway:
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == b"ready\n"
        (process,) = psutil.Process(gateway.pid).children()
        gateway.kill()
    process.wait(timeout=10)
