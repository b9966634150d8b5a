"""Content, styles, every stage and the result in one labeled picture."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

from PIL.Image import Image
from pydantic import Field

import impasto
from impasto.plugin import SUFFIXES, contact_sheet, save, to_picture
from impasto_plugins.callbacks.files import check_file, refuse_files_of_the_run


class ContactSheet:
    """Content, styles, the picture after each stage, and the result in one labeled picture."""

    def __init__(
        self,
        file: Annotated[Path, Field(description="picture to write; one that exists is replaced")],
        columns: Annotated[int, Field(ge=1, description="pictures in a row")] = 4,
        cell: Annotated[int, Field(ge=16, description="pixels of a picture's longer side")] = 256,
    ) -> None:
        check_file("contact_sheet", file, SUFFIXES)
        self.path, self.columns, self.cell = file, columns, cell
        self.cells: list[tuple[str, Image]] = []

    @impasto.hookimpl
    def impasto_before_run(self, run: impasto.Run) -> None:
        refuse_files_of_the_run("contact_sheet", self.path, run)
        self.cells = [("content", to_picture(run.content))]
        # A style file has summaries and no picture.
        pictures = run.style_pictures
        self.cells += [("style", to_picture(picture)) for picture in pictures]

    @impasto.hookimpl
    def impasto_after_stage(self, run: impasto.Run, stage: impasto.Stage) -> None:
        if stage.number < len(run.stages) - 1:
            self.add(run, f"stage {stage.number}: step {run.step}")

    @impasto.hookimpl
    def impasto_after_run(self, run: impasto.Run) -> None:
        self.add(run, f"result: step {run.step}")
        self.write()

    @impasto.hookimpl
    def impasto_run_failed(self, run: impasto.Run) -> None:
        if run.step:
            self.add(run, f"ended early: step {run.step}")
            self.write()

    def add(self, run: impasto.Run, label: str) -> None:
        """One more cell with the picture as it is now."""
        self.cells.append((label, to_picture(run.picture())))

    def write(self) -> None:
        """Write the sheet, whole or not at all."""
        save(contact_sheet(self.cells, self.columns, self.cell), self.path)


@impasto.hookimpl
def impasto_callbacks() -> Iterable[impasto.Offer]:
    return [impasto.Offer("contact_sheet", ContactSheet)]
