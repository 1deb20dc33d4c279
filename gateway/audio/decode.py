"""Decoder for uploaded audio files: untrusted bytes to mono float samples, in a child process.

A small file can claim gigabytes of memory or hours of CPU time, and FFmpeg has had memory errors. A file that exceeds a
limit or makes FFmpeg crash ends only its child process, and the next file gets a new one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass

import numpy as np
import structlog

from backends.base import Audio
from gateway.audio import decoder_process
from gateway.audio.decoder_process import ERRORS, MAX_CPU_S, REPLY, REQUEST, SAMPLES
from gateway.audio.ffmpeg_decoder import MAX_RATE_HZ
from gateway.errors import InvalidRequest, UnsupportedMedia

log = structlog.get_logger(__name__)

COMMAND = (sys.executable, "-P", "-m", decoder_process.__name__)
DEADLINE_S = 30.0  # for one file, including the start of a process; a regular one takes milliseconds
_MAX_TEXT_BYTES = 4_000  # errors have up to 1,000 characters


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """A decoded recording.

    :param samples: shape (N,); nominal range [-1, 1], which files with float samples may exceed.
    """

    samples: Audio
    rate_hz: int
    duration_s: float


def decode(data: bytes, *, max_s: float, min_s: float, param: str = "audio") -> DecodedAudio:
    """Decode the first audio stream of a file and average its channels. Blocks for ``DEADLINE_S`` at most.

    It is thread-safe. Concurrent calls use a process each, and the processes are kept for the next calls.

    :param param: request field to name in errors.
    :raises UnsupportedMedia: if the bytes are not an audio file of an accepted format, or the file is broken, or
        decoding takes too much time or memory.
    :raises InvalidRequest: if the audio is shorter than ``min_s`` or longer than ``max_s``, or makes FFmpeg crash.
    """
    decoder = _idle_or_new()
    try:
        kind, rate_hz, payload = decoder.exchange(data, max_s, min_s, param)
    finally:
        decoder.give_back()
    if kind != SAMPLES:
        raise ERRORS[kind](payload.decode("utf-8", "replace"), param=param)
    samples = np.frombuffer(payload, np.float32)
    return DecodedAudio(samples, rate_hz, len(samples) / rate_hz)


class _Decoder:
    """A child process, see ``decoder_process.py``, and the connection to it."""

    def __init__(self) -> None:
        self._reusable = False
        self._socket, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                COMMAND,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # idle threads cost address space
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                start_new_session=True,  # Ctrl-C in a terminal reaches only the gateway, which drains first
            )

    @property
    def running(self) -> bool:
        """Whether the process is alive: an idle one may have been killed for its memory."""
        return self._process.poll() is None

    def exchange(self, data: bytes, max_s: float, min_s: float, param: str) -> tuple[int, int, bytearray]:
        """Send a file and return the reply: its kind, the rate in Hz and the payload. Errors as in :func:`decode`."""
        self._reusable = False
        ends_at = time.monotonic() + DEADLINE_S
        try:
            self._socket.settimeout(DEADLINE_S)
            self._socket.sendall(REQUEST.pack(max_s, min_s, len(data)))
            self._socket.sendall(data)
            kind, reusable, rate_hz, size = REPLY.unpack(self._receive(REPLY.size, ends_at))
            # Checked because a file that takes over the process can make it send anything.
            if kind == SAMPLES:
                valid = 0 < rate_hz <= MAX_RATE_HZ and size % 4 == 0 and 0 < size <= int(max_s * MAX_RATE_HZ) * 4
            else:
                valid = kind < SAMPLES and size <= _MAX_TEXT_BYTES
            if not valid:
                raise ConnectionError
            payload = self._receive(size, ends_at)
        except TimeoutError:
            raise UnsupportedMedia(f"the recording takes more than {DEADLINE_S:g} s to decode", param=param) from None
        except ConnectionError:
            raise self._failure(param) from None
        self._reusable = reusable
        return kind, rate_hz, payload

    def give_back(self) -> None:
        """Keep the process for further files, or end it."""
        if self._reusable:
            _idle.append(self)
        else:
            self.end()

    def end(self) -> int:
        """Kill the process if it is running, and return its exit code."""
        self._socket.close()
        self._process.kill()
        return self._process.wait()

    def _receive(self, count: int, ends_at: float) -> bytearray:
        received = bytearray(count)
        missing = memoryview(received)
        while missing:
            self._socket.settimeout(max(0.001, ends_at - time.monotonic()))
            if not (size := self._socket.recv_into(missing)):
                raise ConnectionResetError
            missing = missing[size:]
        return received

    def _failure(self, param: str) -> Exception:
        """Return the error for a process that ended during a file."""
        status = self.end()
        if status >= 0:
            return RuntimeError(f"the decoder exited with status {status}; its error output has the reason")
        if -status == signal.SIGXCPU:
            return UnsupportedMedia(f"the recording takes more than {MAX_CPU_S} s of CPU time to decode", param=param)
        log.warning("an uploaded recording crashed its decoder", signal=-status)
        return InvalidRequest(
            f"the recording makes the decoder crash (signal {-status}): convert it to another format, such as WAV",
            param=param,
        )


_idle: deque[_Decoder] = deque()


def _idle_or_new() -> _Decoder:
    with contextlib.suppress(IndexError):
        while True:
            decoder = _idle.pop()
            if decoder.running:
                return decoder
            decoder.end()
    return _Decoder()


@atexit.register
def end_idle() -> None:
    """End the child processes that are kept for further files."""
    while _idle:
        _idle.pop().end()
