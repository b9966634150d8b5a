"""Stop a run early: when time is up, when the loss is low enough, or when it does not get lower."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

import impasto


class Stop:
    """End the run early: on a time budget, on a loss, or on a plateau; whichever comes first.

    Time counts over all stages, and over what was done before a resume. ``loss`` and ``patience`` look at
    the last stage only: the loss of a smaller picture says nothing about that of the result, and a run
    that ended there would leave a picture smaller than was asked for.
    """

    def __init__(
        self,
        seconds: Annotated[
            float | None, Field(gt=0, description="time budget of all steps, start-up left out")
        ] = None,
        loss: Annotated[
            float | None,
            Field(ge=0, description="total loss that is low enough, in the last stage"),
        ] = None,
        patience: Annotated[
            int | None,
            Field(ge=1, description="steps of the last stage without an improvement of the loss"),
        ] = None,
        threshold: Annotated[
            float,
            Field(ge=0, lt=1, description="fraction of the loss that counts as an improvement"),
        ] = 0.001,
    ) -> None:
        if seconds is None and loss is None and patience is None:
            raise impasto.SettingsError(
                "callback 'stop': nothing to stop at is given; give seconds, loss or patience,"
                " e.g. stop:seconds=60"
            )
        self.seconds, self.loss = seconds, loss
        self.patience, self.threshold = patience, threshold

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        self.begin(run)
        # What the stage had before a resume counts as well, since the objective was last changed.
        changes = [one.step for one in run.changes if one.what != "finish_stage"]
        first = max([run.step - run.done_in(stage), *changes[-1:]])
        for loss in run.losses()[first:]:
            self.follow(loss)

    def begin(self, run: impasto.Run) -> None:
        """Begin with no loss: those that come are of another size, or of another objective."""
        self.best, self.waited, self.changes = float("inf"), 0, run.changes

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number == run.total_steps:
            return
        if self.seconds is not None and run.seconds >= self.seconds:
            run.stop(self.time_is_up(run, step.stage))
        if step.stage is not run.stages[-1]:
            return
        if run.changes != self.changes:
            self.begin(run)
        # Reading the loss waits for the device: a time budget alone does without.
        if self.loss is not None and step.loss <= self.loss:
            run.stop(f"the loss is {step.loss:.4g}, {self.loss:g} or less")
        if self.patience is not None:
            self.follow(step.loss)
            if self.waited >= self.patience:
                run.stop(
                    f"{self.patience} steps without an improvement of the loss by {self.threshold:.3g}"
                )

    def time_is_up(self, run: impasto.Run, stage: impasto.Stage) -> str:
        """The reason, with the size of the picture where it is not the one that was asked for."""
        last, reason = run.stages[-1], f"the budget of {self.seconds:g} seconds is spent"
        if stage is last:
            return reason
        return (
            f"{reason}; the picture has {stage.width} × {stage.height} pixels,"
            f" not {last.width} × {last.height}"
        )

    def follow(self, loss: float) -> None:
        """Count the steps since the loss was last lower by the threshold, a fraction of the lowest before."""
        # Measured from the last improvement, so that many small ones add up to one.
        if loss < self.best * (1 - self.threshold):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("stop", Stop)]
