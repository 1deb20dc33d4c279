"""The decoder process with faults that certain files cause; a file is the name of its fault."""

import ctypes
import os

from gateway.audio import decoder_process
from gateway.audio.ffmpeg_decoder import decode_file

leaked = []
FAULTS = {
    b"segfault": lambda: ctypes.string_at(0),
    b"abort": os.abort,
    b"exit": lambda: os._exit(3),
    b"claim": lambda: bytes(2**30),
    b"leak": lambda: leaked.append(bytes(120 * 2**20)),
}


def decode_or_fail(data, **limits):
    if data in FAULTS:
        FAULTS[data]()
    return decode_file(data, **limits)


if __name__ == "__main__":
    decoder_process.decode_file = decode_or_fail
    decoder_process.main()
