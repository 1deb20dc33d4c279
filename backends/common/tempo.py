"""Tempo change at constant pitch, with FFmpeg's ``atempo`` filter (WSOLA)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from backends.base import Audio

MIN_FACTOR, MAX_FACTOR = 0.5, 100.0  # of one filter; smaller factors chain several


class Tempo:
    """Streaming tempo change.

    :param factor: 2 is twice as fast; at least 0.01.
    """

    def __init__(self, rate_hz: int, factor: float):
        # Imported here: loading FFmpeg delays the start, and few jobs change the tempo this way.
        import av

        self._av = av
        self._rate_hz = rate_hz
        self._has_input = False
        self._graph = av.filter.Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz)
        )
        last = self._source
        for part in _split_factor(factor):
            tempo = self._graph.add("atempo", str(part))
            last.link_to(tempo)
            last = tempo
        self._sink = self._graph.add("abuffersink")
        last.link_to(self._sink)
        self._graph.configure()

    def push(self, samples: Audio) -> Audio:
        """Process the next samples, shape (N,), and return the finished ones; the delay is about 30 ms."""
        if not len(samples):
            return samples
        frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        self._source.push(frame)
        self._has_input = True
        return self._pull()

    def finish(self) -> Audio:
        """End the input and return the remaining samples."""
        if not self._has_input:
            return np.zeros(0, np.float32)
        self._source.push(None)
        return self._pull()

    def _pull(self) -> Audio:
        from av.error import BlockingIOError as NotYet
        from av.error import EOFError as Ended

        parts = []
        while True:
            try:
                pulled = self._sink.pull()
            except (NotYet, Ended):
                break
            assert isinstance(pulled, self._av.AudioFrame)  # noqa: S101 - the type that an abuffersink returns
            parts.append(pulled.to_ndarray().reshape(-1))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def change_tempo(samples: Audio, rate_hz: int, factor: float) -> Audio:
    """Change the tempo of a whole signal, shape (N,).

    :returns: shape (about N / factor,).
    """
    if not len(samples):
        return samples
    tempo = Tempo(rate_hz, factor)
    return np.concatenate((tempo.push(samples), tempo.finish()))


def _split_factor(factor: float) -> list[float]:
    """Split ``factor`` into factors within the filter's range."""
    parts = []
    while factor < MIN_FACTOR:
        parts.append(MIN_FACTOR)
        factor /= MIN_FACTOR
    return [*parts, min(factor, MAX_FACTOR)]
