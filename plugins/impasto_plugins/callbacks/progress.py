"""A bar on the terminal with loss, rate and time left."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import impasto


class ProgressBar:
    """A bar on the terminal with loss, rate and time left."""

    def __init__(
        self,
        every: Annotated[
            float, Field(gt=0, description="seconds between updates; each waits for the device")
        ] = 0.2,
    ) -> None:
        self.every = every
        self.shown = 0.0
        self.run: impasto.Run | None = None
        self.steps = 0
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[step]}/{task.fields[steps]}"),
            TextColumn("loss {task.fields[loss]}  {task.fields[rate]} steps/s"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            get_time=self.seconds,
        )

    def seconds(self) -> float:
        """Time of the run, in which pauses do not count; 0 before it begins."""
        return self.run.seconds if self.run is not None else 0.0

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.task = self.bar.add_task(
            "painting", start=False, total=work(run.stages), completed=done(run), step=run.step,
            steps=run.total_steps, loss="…", rate="…",
        )  # fmt: skip
        self.bar.start()

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        if self.run is None:
            # A resumed run has steps behind it that this process did not do: they count as done, not as fast.
            self.run, self.began = run, run.seconds
            self.bar.start_task(self.task)
        self.say(run, stage)

    def say(self, run: impasto.Run, stage: impasto.Stage, doing: str = "painting") -> None:
        """Show what is being done, and how far the run is: after a rewind it is less far than before."""
        self.bar.update(
            self.task, description=f"{doing} {stage.width} × {stage.height}",
            completed=done(run), step=run.step,
        )  # fmt: skip

    @impasto.hookimpl
    def impasto_while_paused(self, run: impasto.Run) -> None:
        if run.current is not None:
            self.say(run, run.current.stage, "paused  ")

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        self.steps += 1
        now = time.perf_counter()
        if now - self.shown < self.every and step.number < run.total_steps:
            return
        self.shown = now
        rate = f"{self.steps / (run.seconds - self.began):.2f}"
        self.bar.update(self.task, loss=f"{step.loss:.4g}", rate=rate)
        self.say(run, step.stage)

    @impasto.hookimpl
    def impasto_after_run(self) -> None:
        self.bar.stop()

    @impasto.hookimpl
    def impasto_run_failed(self) -> None:
        self.bar.stop()


def work(stages: Iterable[impasto.Stage]) -> int:
    """Steps, each counted by its pixels: a step of a large stage takes as many times longer."""
    return sum(stage.steps * stage.width * stage.height for stage in stages)


def done(run: impasto.Run) -> int:
    """The work behind a run, over all stages."""
    return sum(
        (stage.steps if stage.number < len(run.ends) else max(run.done_in(stage), 0))
        * stage.width
        * stage.height
        for stage in run.stages
    )


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("progress", ProgressBar)]
