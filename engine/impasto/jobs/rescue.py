"""A copy of the result so far in main memory, for a card that cannot be read any more when it fails."""

from __future__ import annotations

import time

from impasto.host.offer import hookimpl
from impasto.optimization.outcome import result_of
from impasto.optimization.result import Result
from impasto.optimization.state import Run

EVERY = 10.0
"""Seconds between two copies."""
MOST_OF_THE_TIME = 0.02
"""The largest part of a run's time that the copies may take."""


def can_be_lost(run: Run) -> bool:
    """Whether a run's tensors are where a failure may take them along."""
    return run.device.type != "cpu"


class Rescue:
    """Observer of a run on a card."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.result: Result | None = None
        """As it was at the last copy."""
        self.due = time.monotonic() + EVERY

    @hookimpl(trylast=True)
    def impasto_after_step(self, run: Run) -> None:
        started = time.monotonic()
        if started >= self.due:
            self.result = result_of(run, stopped="failed")
            taken = time.monotonic() - started
            self.due = started + max(EVERY, taken / MOST_OF_THE_TIME)
