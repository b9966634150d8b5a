"""The picture every so many steps, as numbered files."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

import impasto
from impasto.plugin import save, to_picture


class Snapshots:
    """The picture every so many steps, as PNG files in a folder."""

    def __init__(
        self,
        folder: Annotated[Path, Field(description="where to; made if it is not there")],
        every: Annotated[int, Field(ge=1, description="steps between snapshots")] = 50,
    ) -> None:
        self.folder, self.every = folder, every
        self.paths: dict[int, Path] = {}

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        run.outputs.claim_folder(self.folder, "callback 'snapshots': folder")
        steps = {*range(self.every, run.total_steps, self.every), run.total_steps}
        for step in sorted(steps):
            self.claim(run, step)

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        # Where stages ended early, the last step is another one than was planned.
        if step.number == run.total_steps and step.number not in self.paths:
            self.claim(run, step.number)
        if path := self.paths.get(step.number):
            run.outputs.keep_or_raise(partial(save, to_picture(run.picture())), path)

    def claim(self, run: impasto.Run, step: int) -> None:
        """Reserve the file of a step's picture."""
        name = self.folder / f"step_{step:05}.png"
        self.paths[step] = run.outputs.claim(name, "callback 'snapshots': file")


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("snapshots", Snapshots)]
