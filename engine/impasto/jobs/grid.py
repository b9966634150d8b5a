"""The sheet of a grid: contents along the top, styles down the side, and each pair's picture."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

from PIL import Image

from impasto.errors import OutputError
from impasto.files.outputs import Outputs
from impasto.images.contact_sheet import contact_sheet, shrunk
from impasto.images.reading import open_picture
from impasto.images.tensors import save, to_picture
from impasto.images.writing import SUFFIXES
from impasto.jobs.batch import Progress
from impasto.jobs.job import Job
from impasto.jobs.manifest import WORK
from impasto.settings.settings import Settings
from impasto.settings.style import Style

SHEETS = (*SUFFIXES, ".pdf")
"""Suffixes of files that a sheet can be written in."""

EMPTY = "gainsboro"
"""Color of a cell that waits for its picture."""

BLANK = Image.new("RGB", (1, 1), "white")
"""Stands where there is nothing to show."""

logger = logging.getLogger("impasto")


class Sheet:
    """The sheet of a grid, written anew as its pictures come in."""

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
            cell: pixels of the square that each picture is made to fit in; none is enlarged.
            settings: how large a picture may be, and whether the file may be replaced.
            folder: of the results; a sheet that was written from there may be written again.
            documents: files that the settings come from.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        self.outputs = Outputs(force=settings.force)
        self.outputs.remember_in(folder / WORK)
        self.outputs.reads([*contents, *map(os.fspath, styles), *documents])
        self.path = self.outputs.claim(path, "sheet", SHEETS)
        self.contents, self.styles, self.cell = contents, styles, cell
        self.most = settings.max_megapixels
        self.done: dict[str, Image.Image] = {}
        """Pictures of jobs that are done, small, by the job's key."""

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Put a picture that is done in its place, and write the sheet."""
        if job is None:
            self.top = [(Path(one).stem, self._small(one)) for one in self.contents]
            self.side = [self._side(style) for style in self.styles]
        for one in progress.jobs if job is None else [job]:
            if progress.states[one.key] == "done":
                self.done[one.key] = self._small(progress.folder / one.output)
        if job is None or progress.states[job.key] not in ("waiting", "running"):
            self._write(progress)

    def _write(self, progress: Progress) -> None:
        jobs = iter(progress.jobs)
        cells = [("", BLANK), *self.top]
        for side in self.side:
            cells.append(side)
            cells += [self._cell(progress, next(jobs), top) for _, top in self.top]
        sheet = contact_sheet(cells, len(self.top) + 1, self.cell)
        try:
            self.outputs.keep_or_raise(partial(write_sheet, sheet), self.path, "sheet")
        except OutputError as error:
            logger.warning("%s", error)

    def _cell(self, progress: Progress, job: Job, top: Image.Image) -> tuple[str, Image.Image]:
        state = progress.states[job.key]
        label = state.upper() if state in ("failed", "set aside") else ""
        return label, self.done.get(job.key) or Image.new("RGB", top.size, EMPTY)

    def _side(self, style: Style) -> tuple[str, Image.Image]:
        name = " ".join([Path(style.file).stem, *(f"{k}={v}" for k, v in style.options.items())])
        return name, BLANK if style.is_style_file else self._small(style.file)

    def _small(self, path: str | Path) -> Image.Image:
        return shrunk(to_picture(open_picture(path, self.most).image), self.cell)


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet in the format of its suffix.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix.lower() == ".pdf":
        sheet.save(path, "PDF", resolution=150)
    else:
        save(sheet, path)
