"""When a stage is over before its last step: when its steps hardly lower the loss any more.

A coarse stage only prepares the next one, and what its late steps gain, the next one gains sooner.
The rule reads losses alone, so that it is the same for every optimizer, and the same after a resume.
"""

from __future__ import annotations

from collections.abc import Sequence

EVERY = 5
"""Steps between two looks; the host waits for the device at each."""
STEPS = 5
"""The latest steps, whose gain is compared with the tolerance."""


def is_looked_at(done: int) -> bool:
    """Whether the gain is looked at after so many steps of a stage."""
    return done > STEPS and done % EVERY == 0


def has_settled(losses: Sequence[float], tolerance: float) -> bool:
    """Whether the latest steps of a stage lowered its lowest loss by less than a fraction of it.

    While the latest loss is above that of the steps before, the optimizer has not yet recovered from a step
    that was too long, and the stage goes on.

    Args:
        losses: of the stage's steps so far, at least one more than the latest ones.
        tolerance: the fraction, 0 to below 1.
    """
    before, latest = min(losses[:-STEPS]), losses[-STEPS:]
    return latest[-1] <= before and before - min(latest) < tolerance * abs(before)
