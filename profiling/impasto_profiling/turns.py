"""Steps of two runs in turns, A B A B, so that whatever else the machine does meets both."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from impasto.jobs.steps import Steps, steps_of_settings
from impasto.model.gpu import synchronize
from impasto.settings.settings import Settings
from impasto_profiling.comparison import Turns

WARM = 2
"""Steps of each that are not timed: the first ones cost more."""
OWN = ("profile", "tensorboard", "progress")
"""Callbacks that are left out."""


def take_turns(
    first: Settings, second: Settings, rounds: int, documents: Sequence[str] = ()
) -> Turns:
    """Time steps of two runs at their final size, without the profiler.

    Args:
        first: what one of them was asked for.
        second: the other.
        rounds: steps of each that are timed.
        documents: files that the settings come from.

    Raises:
        ImpastoError: something asked for cannot be had.
    """
    both = [_steps(settings, WARM + rounds, documents) for settings in (first, second)]
    try:
        for steps in both * WARM:
            _timed(steps)
        taken = [[_timed(steps) for steps in both] for _ in range(rounds)]
    finally:
        for steps in both:
            steps.close()
    return Turns([one for one, _ in taken], [other for _, other in taken])


def _steps(settings: Settings, number: int, documents: Sequence[str]) -> Steps:
    for name in OWN:
        settings = settings.without(name)
    plain = replace(settings, scales="single", steps=(number,), output=None, checkpoint=None)
    return steps_of_settings(plain, documents=documents)


def _timed(steps: Steps) -> float:
    started = time.perf_counter()
    next(iter(steps))
    synchronize(steps.run.device)
    return time.perf_counter() - started
