"""Silence in place of text that has nothing to speak.

A client that receives no audio for a text may take that for a failure: LiveKit tries again, Pipecat gives the service
up after a few times.
"""

from __future__ import annotations

import numpy as np

from backends.base import Audio


class SilenceFiller:
    """A short silence whenever the text since the last flush was not spoken.

    :param samples: its length; 0: never.
    """

    def __init__(self, samples: int):
        self._samples = samples
        self._flushed = 0, 0

    def flush(self, position: int, segments: int) -> Audio:
        """Return the silence to send now; may be empty.

        :param position: the text position of the flush.
        :param segments: number of segments spoken so far.
        """
        last_position, last_segments = self._flushed
        self._flushed = position, segments
        unspoken = position > last_position and segments == last_segments
        return np.zeros(self._samples if unspoken else 0, np.float32)
