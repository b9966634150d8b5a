"""How long a run will take: by steps at two small sizes, on this machine as it is now."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from impasto.optimization.failures import failures_named
from impasto.optimization.loop import begin, take_step
from impasto.optimization.stages import Stage
from impasto.optimization.state import Run

SIZES = (128, 256)
"""Longer sides of the trials, pixels; the second only where the run goes beyond the first."""
STEPS = 3
"""Timed steps of a trial, after one that is not timed."""


@dataclass(frozen=True)
class Trial:
    """What a small stage took."""

    stage: Stage
    beginning: float
    """Seconds of targets, canvas and optimizer."""
    step: float
    """Seconds of a step."""

    @property
    def pixels(self) -> int:
        """Number of pixels of the canvas."""
        return self.stage.width * self.stage.height

    def __str__(self) -> str:
        return f"{STEPS} steps at {self.stage.width} × {self.stage.height} pixels"


def take(run: Run, stage: Stage, before_stage: Callable[[], None]) -> Trial:
    """Go through a small stage, and time it.

    Args:
        run: whose stage it becomes.
        stage: of the run's shape; its number of steps does not count.
        before_stage: called at its beginning.
    """
    with failures_named(run.host, run.settings, run.objective):
        started = time.perf_counter()
        begin(run, stage)
        beginning = time.perf_counter() - started
        before_stage()
        take_step(run).loss  # noqa: B018 waits for the device
    seconds = []
    for _ in range(STEPS):
        started = time.perf_counter()
        take_step(run).loss  # noqa: B018 waits for the device
        seconds.append(time.perf_counter() - started)
    return Trial(stage, beginning, statistics.median(seconds))


def trial_stage(like: Stage, size: int, smallest: float) -> Stage:
    """A stage of the same shape that is small enough to be tried, and no narrower than the network takes.

    Args:
        like: has the shape.
        size: the longer side, pixels, unless ``like`` is smaller.
        smallest: the shorter side that the network takes.
    """
    sides = (like.width, like.height)
    scale = min(1.0, max(size / max(sides), smallest / min(sides)))
    width, height = (max(1, round(side * scale)) for side in sides)
    return Stage(0, width, height, STEPS + 1, strokes=like.strokes)


def seconds_of_stages(
    stages: Sequence[Stage], trials: Sequence[Trial], launches: bool = False
) -> tuple[float, ...]:
    """Seconds of each stage: between two trials on the line through them, beyond them by pixels.

    Args:
        stages: of the run.
        trials: one, or a smaller and a larger one.
        launches: whether each step has a part that no pixel adds to, as on a card: then the line goes on
            beyond them.
    """
    return tuple(
        _at(pixels, trials, "beginning", launches)
        + stage.steps * _at(pixels, trials, "step", launches)
        for stage in stages
        for pixels in [stage.width * stage.height]
    )


def _at(pixels: int, trials: Sequence[Trial], what: str, launches: bool) -> float:
    small, large = trials[0], trials[-1]
    least, most = (float(getattr(trial, what)) for trial in (small, large))
    if launches and small.pixels < large.pixels:
        slope = max(0.0, most - least) / (large.pixels - small.pixels)
        return max(0.0, least + slope * (pixels - small.pixels))
    if pixels >= large.pixels or most <= least:
        return most * pixels / large.pixels
    if pixels <= small.pixels:
        return least * pixels / small.pixels
    return least + (most - least) * (pixels - small.pixels) / (large.pixels - small.pixels)
