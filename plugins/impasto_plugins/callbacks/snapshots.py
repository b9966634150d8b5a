"""The picture every so many steps, as numbered files."""

from __future__ import annotations

from collections.abc import Iterable
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
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise impasto.PictureError(f"folder '{folder}': {error.strerror or error}") from None
        self.folder, self.every = folder, every

    @impasto.hookimpl
    def impasto_after_step(self, run: impasto.Run, step: impasto.Step) -> None:
        if step.number % self.every == 0 or step.number == run.total_steps:
            save(to_picture(run.picture()), self.folder / f"step_{step.number:05}.png")


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("snapshots", Snapshots)]
