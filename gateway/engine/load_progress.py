"""Progress of one load: logged once per stage and at intervals, and extrapolated to the time that is left."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.engine.client import LoadProgress

MAX_ESTIMATE_S = 600.0
LOG_INTERVAL_S = 10.0  # between log lines of one stage


class LoadTracker:
    """Latest progress of a load.

    :ivar progress: None before the first report.
    """

    def __init__(self, log: Any):
        self._log = log
        self.progress: LoadProgress | None = None
        self._stage_start = (0.0, 0)  # time, and LoadProgress.done
        self._next_log_at = 0.0

    def update(self, progress: LoadProgress) -> None:
        """Take a worker's report. A new total, or less progress than before, starts a new estimate."""
        now, last = asyncio.get_running_loop().time(), self.progress
        if last is None or progress.done < last.done or progress.total != last.total:
            self._stage_start = (now, progress.done)
        if last is None or progress.stage != last.stage or now >= self._next_log_at:
            self._next_log_at = now + LOG_INTERVAL_S
            self._log.info("engine loading", stage=progress.stage, done=progress.done, total=progress.total)
        self.progress = progress

    def remaining_s(self) -> float | None:
        """Estimated rest of a download or another stage with a known total; None if unknown."""
        if self.progress is None or self.progress.total is None:
            return None
        started_at, done_at_start = self._stage_start
        if (gained := self.progress.done - done_at_start) <= 0:
            return None
        unit_s = (asyncio.get_running_loop().time() - started_at) / gained
        return min(MAX_ESTIMATE_S, unit_s * (self.progress.total - self.progress.done))
