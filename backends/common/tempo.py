"""Faster or slower speech at the same pitch, with FFmpeg's ``atempo`` (WSOLA).

Letters in shapes: N samples.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from backends.base import Audio

SLOWEST, FASTEST = 0.5, 100.0  # of one filter; slower takes several


class Tempo:
    """Changes the pace of audio that comes piecewise.

    :param factor: 2 is twice as fast; at least 0.01.
    """

    def __init__(self, rate_hz: int, factor: float):
        # Not at the top: few jobs change the pace this way, and loading FFmpeg delays every start.
        import av

        self._av = av
        self._rate_hz = rate_hz
        self._given = False
        self._graph = av.filter.Graph()
        self._source = self._graph.add_abuffer(
            sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz)
        )
        last = self._source
        for part in _parts(factor):
            tempo = self._graph.add("atempo", str(part))
            last.link_to(tempo)
            last = tempo
        self._sink = self._graph.add("abuffersink")
        last.link_to(self._sink)
        self._graph.configure()

    def push(self, samples: Audio) -> Audio:
        """Take the next samples, shape (N,), and return what is ready, which lags some 30 ms behind."""
        if not len(samples):
            return samples
        frame = self._av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
        frame.sample_rate = self._rate_hz
        self._source.push(frame)
        self._given = True
        return self._pull()

    def finish(self) -> Audio:
        """Return the rest."""
        if not self._given:
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
            assert isinstance(pulled, self._av.AudioFrame)  # noqa: S101 - what an abuffersink gives
            parts.append(pulled.to_ndarray().reshape(-1))
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def compress(samples: Audio, rate_hz: int, factor: float) -> Audio:
    """The whole of ``samples``, shape (N,), faster by ``factor``.

    :returns: shape (about N / factor,).
    """
    if not len(samples):
        return samples
    tempo = Tempo(rate_hz, factor)
    return np.concatenate((tempo.push(samples), tempo.finish()))


def _parts(factor: float) -> list[float]:
    """Factors within the filter's range whose product is ``factor``."""
    parts = []
    while factor < SLOWEST:
        parts.append(SLOWEST)
        factor /= SLOWEST
    return [*parts, min(factor, FASTEST)]
