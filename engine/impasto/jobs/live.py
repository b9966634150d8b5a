"""How far a job is that is being painted: two small files beside its checkpoint, for those who look on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from impasto.host.offer import hookimpl
from impasto.images.contact_sheet import shrunk
from impasto.images.tensors import save, to_picture
from impasto.optimization.result import Step
from impasto.optimization.state import Run

NAME, PICTURE = "now.json", "now.png"
"""Names of the files in the folder of a job's checkpoint."""

EVERY = 1.0
"""Seconds between steps that are told."""
PICTURE_EVERY = 10.0
"""Seconds between pictures."""
LARGEST = 512
"""Longer side of these pictures, pixels."""
MOST = 10_000
"""Most bytes that are read of the file with the step."""


@dataclass(frozen=True)
class Standing:
    """How far a run is."""

    step: int
    """Steps done, over all stages."""
    steps: int
    """Of all stages together."""
    stage: int
    """From 1."""
    stages: int

    def __str__(self) -> str:
        stage = f", stage {self.stage} of {self.stages}" if self.stages > 1 else ""
        return f"step {self.step} of {self.steps}{stage}"


class Live:
    """Observer of a run that writes how far it is. What cannot be written is left out."""

    def __init__(self, folder: Path) -> None:
        """Say where to.

        Args:
            folder: of the job's checkpoint; it is there once the run begins.
        """
        self.folder = folder
        self.said, self.shown = float("-inf"), time.monotonic()

    @hookimpl
    def impasto_after_step(self, run: Run, step: Step) -> None:
        now = time.monotonic()
        if now - self.said >= EVERY:
            stages = run.stages
            at = Standing(step.number, run.total_steps, step.stage.number + 1, len(stages))
            self._write(NAME, lambda part: part.write_text(json.dumps(asdict(at))))
            self.said = now
        if now - self.shown >= PICTURE_EVERY:
            self._write(
                PICTURE, lambda part: save(shrunk(to_picture(run.picture()), LARGEST), part)
            )
            self.shown = time.monotonic()

    def _write(self, name: str, write: Callable[[Path], object]) -> None:
        # Nothing is lost with it, so that it need not be on the disk at once.
        part = self.folder / f"part-{name}"
        with suppress(OSError):
            write(part)
            os.replace(part, self.folder / name)


def standing_in(folder: Path) -> Standing | None:
    """How far the run is whose checkpoint lies in a folder; None if it does not say."""
    with suppress(OSError, ValueError, TypeError, KeyError), (folder / NAME).open("rb") as file:
        table = json.loads(file.read(MOST))
        return Standing(*(int(table[name]) for name in ("step", "steps", "stage", "stages")))
    return None
