"""Child process that decodes untrusted audio files within limits on memory and CPU time, which the kernel enforces.

Its standard input and output are one socket. For each file it reads a ``REQUEST`` and the file's bytes, and writes a
``REPLY`` and the samples, or the text of an error.
"""

from __future__ import annotations

import resource
import signal
import struct
import sys
import time
from pathlib import Path

from gateway.audio.ffmpeg_decoder import MAX_RATE_HZ, decode_file
from gateway.errors import InvalidRequest, UnsupportedMedia

REQUEST = struct.Struct("=ddQ")  # longest and shortest duration in s, size of the file in bytes
REPLY = struct.Struct("=B?IQ")  # index in ERRORS, whether to use this process again, rate in Hz, size in bytes
ERRORS: tuple[type[InvalidRequest], ...] = (InvalidRequest, UnsupportedMedia)
SAMPLES = len(ERRORS)  # in place of an index: the reply has float32 samples

MAX_CPU_S = 3  # the kernel counts whole seconds, so a file may take up to one more
HEADROOM_BYTES = 192 * 2**20  # address space in addition to the file's and the samples'


def main() -> None:
    """Serve until the gateway closes the socket, which the kernel does if the gateway is killed."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    initial_bytes = _address_space_bytes()
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        max_s, min_s, size = REQUEST.unpack(head)
        samples_bytes = int(max_s * MAX_RATE_HZ) * 4
        # While the second pass over a file runs, the samples of the first exist, and those of the second twice.
        if initial_bytes:
            _limit(resource.RLIMIT_AS, initial_bytes + HEADROOM_BYTES + size + 3 * samples_bytes)
        _limit(resource.RLIMIT_CPU, int(time.process_time()) + 1 + MAX_CPU_S)
        if len(data := requests.read(size)) < size:
            return
        kind, rate_hz, payload = _decoded(data, max_s, min_s)
        grown_bytes = _address_space_bytes() - initial_bytes - size - len(payload)
        reusable = grown_bytes < HEADROOM_BYTES // 2  # else a file has leaked memory
        replies.write(REPLY.pack(kind, reusable, rate_hz, len(payload)))
        replies.write(payload)
        replies.flush()
        del data, payload


def _decoded(data: bytes, max_s: float, min_s: float) -> tuple[int, int, bytes | memoryview]:
    """Kind, rate and payload of the reply."""
    try:
        samples, rate_hz = decode_file(data, max_s=max_s, min_s=min_s)
        return SAMPLES, rate_hz, samples.data.cast("B")
    except InvalidRequest as error:
        return ERRORS.index(type(error)), 0, error.message.encode()
    except MemoryError:
        return ERRORS.index(UnsupportedMedia), 0, b"the recording takes too much memory to decode"


def _limit(kind: int, value: int) -> None:
    """Set a soft limit, or a stricter one if the environment has that."""
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _address_space_bytes() -> int:
    """Size of the address space; 0 where there is no ``/proc``."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    main()
