"""Destinations of speech: a player, a file, or standard output."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from gateway.audio.encode import Encoder
from gateway.audio.formats import AudioFormat, choose_rate
from gateway.cli.chat.speech import Pcm
from gateway.errors import InvalidRequest, SynthesisFailed

# Players that read raw audio from standard input; {} is the sample rate.
_PLAYERS = (
    "ffplay -nodisp -autoexit -loglevel error -f s16le -ar {} -i -",
    "aplay -q -t raw -f S16_LE -c 1 -r {} -",
    "play -q -t raw -e signed -b 16 -c 1 -r {} -",
)


class Output(Protocol):
    """A destination of audio, in whole samples, all of one rate."""

    def write(self, pcm: Pcm) -> None:
        """Accept the next audio."""

    def end_answer(self) -> None:
        """Wait until a player has played the answer."""

    def close(self) -> None:
        """Complete the file, or wait for the player."""


class Player:
    """A program that plays audio as it comes.

    :raises InvalidRequest: if none is installed.
    """

    def __init__(self) -> None:
        commands = [command.split() for command in _PLAYERS]
        found = [command for command in commands if shutil.which(command[0])]
        if not found:
            names = ", ".join(command[0] for command in commands)
            raise InvalidRequest(f"no player is installed ({names}): install one, or give a file", param="--output")
        self._command = found[0]
        self._process: subprocess.Popen[bytes] | None = None

    def write(self, pcm: Pcm) -> None:
        """Play the next audio after the last one.

        :raises SynthesisFailed: if the player has ended.
        """
        if self._process is None:
            command = [part.format(pcm.rate_hz) for part in self._command]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            _pipe(self._process).write(pcm.data)
            _pipe(self._process).flush()
        except OSError:
            raise SynthesisFailed(f"{self._command[0]} has ended with status {self._process.wait()}") from None

    def end_answer(self) -> None:
        """Wait until everything has been played."""
        if self._process is not None:
            _pipe(self._process).close()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """Wait until everything has been played."""
        self.end_answer()


class File:
    """A file, encoded when it is complete, or standard output, encoded as audio comes."""

    def __init__(self, path: Path, fmt: AudioFormat):
        self._path = path
        self._format = fmt
        self._is_stdout = str(path) == "-"
        self._encoder: Encoder | None = None

    def write(self, pcm: Pcm) -> None:
        """Encode the next audio."""
        if self._encoder is None:
            rate_hz = choose_rate(self._format, pcm.rate_hz)
            self._encoder = Encoder(self._format, pcm.rate_hz, rate_hz, streaming=self._is_stdout)
        samples = np.frombuffer(pcm.data, "<i2").astype(np.float32) / np.float32(32767.0)
        self._write(self._encoder.write(samples))

    def end_answer(self) -> None:
        """Do nothing: the next answer continues the file."""

    def close(self) -> None:
        """Write the rest.

        :raises InvalidRequest: if the file cannot be written.
        """
        if self._encoder is None:
            return
        data = self._encoder.finish()
        try:
            if not self._is_stdout:
                self._path.write_bytes(data)
        except OSError as error:
            raise InvalidRequest(f"cannot write {self._path}: {error.strerror}", param="--output") from None
        self._write(data)

    def _write(self, data: bytes) -> None:
        if data and self._is_stdout:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()


def _pipe(process: subprocess.Popen[bytes]) -> IO[bytes]:
    if process.stdin is None:
        raise RuntimeError("the player was started without a pipe")
    return process.stdin
