"""How long a run will take: by steps at two small sizes, on this machine as it is now."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from impasto.optimization.failures import failures_named
from impasto.optimization.loop import begin, take_step
from impasto.optimization.stages import Stage
from impasto.optimization.state import Prepared, Run

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
    restart: float = 0.0
    """Seconds of a step before which a loss starts anew; see :meth:`impasto.Loss.restarts`."""
    later: float = 0.0
    """Seconds of the steps after it."""

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
        # What losses do in a step goes by the steps of its stage.
        run.step = run.steps_until(stage)
        started = time.perf_counter()
        begin(run, stage)
        beginning = time.perf_counter() - started
        before_stage()
        _step(run)
    return Trial(stage, beginning, statistics.median(_step(run) for _ in range(STEPS)))


def with_restarts(trial: Trial, prepared: Prepared, steps: int, restarts: Sequence[int]) -> Trial:
    """The trial with the times of a restart, which are measured; as it is where there are none.

    Args:
        trial: was taken.
        prepared: the run's.
        steps: of the run's last stage.
        restarts: of it.
    """
    if not restarts:
        return trial
    # The run's first and last one at once.
    stage = replace(trial.stage, number=0, steps=steps)
    run = Run(replace(prepared, evaluate=prepared.objective, stages=(stage,)))
    with failures_named(run.host, run.settings, run.objective):
        begin(run, stage)
        # As if the steps before had been taken.
        run.step = restarts[0]
        first, *others = [_step(run) for _ in range(1 + STEPS)]
    return replace(trial, restart=first, later=statistics.median(others))


def _step(run: Run) -> float:
    """Seconds of one step."""
    started = time.perf_counter()
    take_step(run).loss  # noqa: B018 waits for the device
    return time.perf_counter() - started


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
    stages: Sequence[Stage],
    trials: Sequence[Trial],
    launches: bool = False,
    restarts: Sequence[int] = (),
) -> tuple[float, ...]:
    """Seconds of each stage: between two trials on the line through them, beyond them by pixels.

    Args:
        stages: of the run.
        trials: one, or a smaller and a larger one.
        launches: whether each step has a part that no pixel adds to, as on a card: then the line goes on
            beyond them.
        restarts: steps of the last stage before which a loss starts anew.
    """
    seconds = []
    for stage in stages:
        starts = restarts if stage is stages[-1] else ()
        before = starts[0] if starts else stage.steps
        counts = {"beginning": 1, "step": before, "restart": len(starts),
                  "later": stage.steps - before - len(starts)}  # fmt: skip
        pixels = stage.width * stage.height
        seconds.append(sum(n * _at(pixels, trials, what, launches) for what, n in counts.items()))
    return tuple(seconds)


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
