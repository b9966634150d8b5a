"""Content, styles, every stage and the result in one labeled picture."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Annotated

from PIL import Image
from pydantic import Field

import impasto
from impasto.plugin import SUFFIXES, contact_sheet, save, to_picture
from impasto_plugins.callbacks.pictures import KeptPictures


class ContactSheet:
    """Content, styles, the picture after each stage, and the result in one labeled picture."""

    def __init__(
        self,
        file: Annotated[Path, Field(description="picture to write")],
        columns: Annotated[int, Field(ge=1, description="pictures in a row")] = 4,
        cell: Annotated[int, Field(ge=16, description="pixels of a picture's longer side")] = 256,
    ) -> None:
        self.path, self.columns, self.cell = file, columns, cell
        self.ends: KeptPictures | None = None

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        self.path = run.outputs.claim(self.path, "callback 'contact_sheet': file", SUFFIXES)
        self.ends = KeptPictures(run, "contact_sheet", self.path)

    @impasto.hookimpl
    def impasto_before_stage(self, run: impasto.Run) -> None:
        if self.ends is not None:
            # The run may have been taken back.
            self.ends.forget_after(run.step)

    @impasto.hookimpl
    def impasto_after_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        if stage.number < len(run.stages) - 1 and self.ends is not None:
            self.ends.add(run.step, to_picture(run.picture()))

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run) -> None:
        self.write(run, "result")

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        if run.step:
            self.write(run, "ended early")
        elif self.ends is not None:
            self.ends.end()

    def write(self, run: impasto.Run, label: str) -> None:
        """Write the sheet, with the picture as it is now under that label."""
        assert self.ends is not None
        cells = [] if run.content is None else [("content", to_picture(run.content))]
        cells += [("style", to_picture(picture)) for picture in run.style_pictures]
        for number, (step, path) in enumerate(self.ends.by_step().items()):
            with Image.open(path) as picture:
                cells.append((f"stage {number}: step {step}", picture.copy()))
        cells.append((f"{label}: step {run.step}", to_picture(run.picture())))
        sheet = contact_sheet(cells, self.columns, self.cell)
        self.ends.end()
        run.outputs.keep_or_raise(partial(save, sheet), self.path, "contact sheet")


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("contact_sheet", ContactSheet)]
