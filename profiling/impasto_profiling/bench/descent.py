"""How the loss falls with the cost of a run, counted in evaluations, one at full size counting 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import ImpastoError
from impasto.jobs.run import prepare_run
from impasto.optimization.loop import begin, leave_a_picture, take_step
from impasto.settings.settings import Settings


@dataclass
class Descent:
    """How one way fared."""

    evaluations: float = 0.0
    """Number of evaluations; one of a smaller stage counts by its fraction of the last stage's pixels."""
    loss: float = math.inf
    """Of the last evaluation."""
    trail: list[tuple[float, float]] = field(default_factory=list)
    """Evaluations so far and loss, of each evaluation of the last stage."""

    def reached(self, goal: float) -> float:
        """Evaluations until a loss was reached; infinity if it was not."""
        return next((cost for cost, loss in self.trail if loss <= goal), math.inf)

    def after(self, cost: float) -> float:
        """The loss after so many evaluations."""
        return next(loss for at, loss in reversed(self.trail) if at <= cost)


def cost_of(settings: Settings) -> float:
    """Evaluations of a whole run with one a step, in units of one at full size."""
    stages = prepare_run(settings).stages
    last = stages[-1].width * stages[-1].height
    return sum(stage.steps * stage.width * stage.height / last for stage in stages)


def descend(
    settings: Settings, goal: float = -math.inf, least: float = 0.0, most: float = math.inf
) -> Descent:
    """Minimize until a loss is reached, and for no fewer and no more than so many evaluations.

    Args:
        settings: of the run; all stages but the last have their steps, and count.
        goal: loss that is to be reached in the last stage.
        least: evaluations, in units of one at full size.
        most: the same.
    """
    run = prepare_run(settings)
    last, descent = run.stages[-1], Descent()
    for stage in run.stages[:-1]:
        begin(run, stage)
        for _ in range(stage.steps):
            take_step(run)
        leave_a_picture(run)
        descent.evaluations += stage.steps * stage.width * stage.height / (last.width * last.height)
    begin(run, last)
    while descent.evaluations < least or (descent.evaluations < most and descent.loss > goal):
        try:
            descent.loss = take_step(run).loss
        except ImpastoError:
            # It gave up, and has not reached the goal.
            break
        descent.evaluations += 1
        descent.trail.append((descent.evaluations, descent.loss))
    return descent


def plot(
    ways: Mapping[str, Sequence[Descent]], goals: Sequence[float], title: str, path: Path
) -> None:
    """Draw loss against cost, a line for each pair of pictures, a color for each way.

    Args:
        ways: descents of each way, one for each pair.
        goals: loss of each pair that counts as 1.
        title: of the plot.
        path: of the file to write, of a suffix that matplotlib knows.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for color, (way, descents) in enumerate(ways.items()):
        for pair, (descent, goal) in enumerate(zip(descents, goals, strict=True)):
            axes.plot(
                [cost for cost, _ in descent.trail], [loss / goal for _, loss in descent.trail],
                color=f"C{color}", linewidth=1, alpha=0.8, label=None if pair else way,
            )  # fmt: skip
    axes.axhline(1, color="gray", linewidth=0.8, linestyle="--")
    axes.set_ylim(0.9, 2)
    axes.set_xlim(0)
    axes.set_title(title)
    axes.set_xlabel("cost: evaluations at full size")
    axes.set_ylabel("loss, as a multiple of the goal")
    axes.legend()
    figure.savefig(path, dpi=120)
