"""Faster speech at the same pitch."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from backends.base import Audio


def compress(samples: Audio, rate_hz: int, factor: float) -> Audio:
    """Shorten speech by ``factor`` (1 to 100) without raising its pitch, with FFmpeg's ``atempo`` (WSOLA).

    :param samples: shape (N,).
    :returns: shape (about N / factor,).
    """
    if not len(samples):
        return samples
    # Not at the top: only speeds that the model cannot reach need FFmpeg, and loading it delays every start.
    import av
    from av.error import BlockingIOError as NotYet
    from av.error import EOFError as Ended

    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=rate_hz, format="flt", layout="mono", time_base=Fraction(1, rate_hz))
    tempo = graph.add("atempo", str(factor))
    sink = graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="flt", layout="mono")
    frame.sample_rate = rate_hz
    source.push(frame)
    source.push(None)
    parts = []
    while True:
        try:
            pulled = sink.pull()
        except (NotYet, Ended):
            break
        assert isinstance(pulled, av.AudioFrame)  # noqa: S101 - what an abuffersink gives
        parts.append(pulled.to_ndarray().reshape(-1))
    return np.concatenate(parts) if parts else samples[:0]
