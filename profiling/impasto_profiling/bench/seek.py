"""How long the engine takes to a given loss of a given objective, evaluated by neutral code."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from impasto.errors import ImpastoError
from impasto.jobs.run import prepare_run
from impasto.model.gpu import synchronize
from impasto.optimization.loop import begin, take_step
from impasto.optimization.state import Run
from impasto.settings.settings import Settings
from impasto_profiling.bench.clock import StopWatch
from impasto_profiling.bench.record import Comparison, Figure, compared, figure

CHECKED = 20
"""The loss is looked at after each 20th part of the steps so far, so that the time is at most a
20th too long."""


@dataclass
class Sought:
    """How a search ended."""

    seconds: float
    """From the first target to the step with which the loss was reached; looking at it takes none."""
    steps: int
    """Over all stages."""
    loss: float
    """At the end."""
    reached: bool
    gave_up: str = ""
    """Why, where the optimizer did."""
    trail: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and loss wherever it was looked at."""


def seek(
    settings: Settings, loss_of: Callable[[Tensor], Tensor], goal: float, most_seconds: float
) -> Sought:
    """Paint until a loss is reached.

    Args:
        settings: of the run. All stages but the last have their steps, the last as many as it takes.
        loss_of: neutral code; gets the canvas's picture, (1, 3, H, W) sRGB, on the CPU.
        goal: loss that is to be reached.
        most_seconds: after which it is given up.
    """
    run, watch = prepare_run(settings), StopWatch()
    for stage in run.stages[:-1]:
        with watch.running():
            begin(run, stage)
            for _ in range(stage.steps):
                take_step(run)
    last, sought = run.stages[-1], Sought(0.0, 0, float("inf"), reached=False)
    with watch.running():
        begin(run, last)
    while True:
        try:
            with watch.running():
                for _ in range(1 + run.done_in(last) // CHECKED):
                    take_step(run)
                synchronize(run.device)
        except ImpastoError as error:
            # The optimizer gives up; how far it came counts.
            sought.gave_up = str(error)
        look(run, watch, loss_of, goal, sought)
        if sought.reached or sought.gave_up or watch.seconds >= most_seconds:
            return sought


@torch.no_grad()
def look(
    run: Run, watch: StopWatch, loss_of: Callable[[Tensor], Tensor], goal: float, sought: Sought
) -> None:
    """Record where the run stands."""
    assert run.canvas is not None
    sought.loss = float(loss_of(run.canvas().detach().float().cpu()))
    sought.seconds, sought.steps = watch.seconds, run.step
    sought.reached = sought.loss <= goal
    sought.trail.append((round(sought.seconds, 3), sought.loss))


def outcome(
    suite: str, case: str, found: Sequence[Sought], rival: Figure, **notes: str | float
) -> Comparison:
    """The comparison of a race. Where the loss was not reached there is no ratio, and the case says so.

    Args:
        suite: that measured.
        case: what was done.
        found: the engine's searches.
        rival: seconds of the other.
        notes: whatever else is needed to read the figures.
    """
    reached, last = all(one.reached for one in found), found[-1]
    made = compared(
        suite, case if reached else f"{case}: not reached", "s",
        figure("impasto", [one.seconds for one in found]), rival, better="lower",
        reached=str(reached), gave_up=last.gave_up, engine_steps=last.steps, engine_loss=last.loss,
        **notes,
    )  # fmt: skip
    return made if reached else made.model_copy(update={"times_better": None})
