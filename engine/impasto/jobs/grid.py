"""Grids: each content in each style; contents stand along the top of the sheet, styles down the side."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from impasto.jobs.batch import Progress
from impasto.jobs.job import Job
from impasto.jobs.sheet import Cells, Sheet
from impasto.settings.settings import Settings
from impasto.settings.style import Style

BLANK = Image.new("RGB", (1, 1), "white")
"""Stands where there is nothing to show."""


class GridSheet(Sheet):
    """The sheet of a grid."""

    def __init__(
        self,
        path: str,
        contents: Sequence[str],
        styles: Sequence[Style],
        cell: int,
        settings: Settings,
        folder: Path,
        documents: Iterable[str] = (),
    ) -> None:
        """Claim the file.

        Args:
            path: of the sheet.
            contents: picture files, along the top.
            styles: down the side.
            cell: see :class:`impasto.jobs.sheet.Sheet`.
            settings: the same.
            folder: the same.
            documents: files that the settings come from.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        reads = [*contents, *map(os.fspath, styles), *documents]
        super().__init__(path, cell, settings, folder, reads)
        self.contents, self.styles = contents, styles

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Put a picture that is there in its place, and write the sheet."""
        if job is None:
            self.top = [(Path(one).stem, self.small(one)) for one in self.contents]
            self.side = [self._side(style) for style in self.styles]
        super().follow(progress, job)

    def cells(self, progress: Progress) -> tuple[Cells, int]:
        """A row of contents, and one for each style."""
        jobs = iter(progress.jobs)
        cells = [("", BLANK), *self.top]
        for side in self.side:
            cells.append(side)
            cells += [self.cell_of(progress, next(jobs), "", top.size) for _, top in self.top]
        return cells, len(self.top) + 1

    def _side(self, style: Style) -> tuple[str, Image.Image]:
        name = " ".join([Path(style.file).stem, *(f"{k}={v}" for k, v in style.options.items())])
        return name, BLANK if style.is_style_file else self.small(style.file)
