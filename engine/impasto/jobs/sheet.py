"""The sheet of a batch: its pictures in one, written anew as they come in."""

from __future__ import annotations

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from PIL import Image

from impasto.errors import OutputError, PictureError
from impasto.files.outputs import Outputs
from impasto.files.urls import fetched, is_url
from impasto.images.contact_sheet import contact_sheet, shrunk
from impasto.images.reading import open_picture
from impasto.images.tensors import save, to_picture
from impasto.images.writing import SUFFIXES
from impasto.jobs.batch import Progress
from impasto.jobs.job import Job
from impasto.jobs.live import PICTURE
from impasto.jobs.manifest import WORK, work_of
from impasto.settings.settings import Settings

SHEETS = (*SUFFIXES, ".pdf")
"""Suffixes of files that a sheet can be written in."""

EMPTY = "gainsboro"
"""Color of a cell that waits for its picture."""

UNFINISHED = ("failed", "set aside", "stopped")
"""States of jobs that ended early; the label says so, and the picture so far is shown, if there is one."""

logger = logging.getLogger("impasto")

Cells = list[tuple[str, Image.Image]]
"""Label and picture of each."""


class Sheet(ABC):
    """A sheet that grows; :meth:`follow` is a follower of the batch."""

    def __init__(
        self,
        path: str | None,
        cell: int,
        settings: Settings,
        folder: Path,
        reads: Iterable[str | os.PathLike[str]],
    ) -> None:
        """Claim the file.

        Args:
            path: of the sheet; None keeps it in memory only.
            cell: pixels of the square that each picture is made to fit in; none is enlarged.
            settings: how large a picture may be, and whether the file may be replaced.
            folder: of the results; a sheet that was written from there may be written again.
            reads: inputs, and files that the settings come from.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        self.outputs = Outputs(force=settings.force)
        """The register of the sheet; the batch claims its pictures there, too."""
        self.outputs.remember_in(folder / WORK)
        self.outputs.reads(reads)
        self.path = None if path is None else self.outputs.claim(path, "sheet", SHEETS)
        self.cell, self.most = cell, settings.max_megapixels
        self.pictures: dict[str, Image.Image] = {}
        """Pictures of jobs, small, by the job's key."""
        self.picture: Image.Image | None = None
        """The sheet as it is now."""
        self.is_written = True
        """Whether the file is like that."""

    @abstractmethod
    def cells(self, progress: Progress) -> tuple[Cells, int]:
        """All cells, row by row, and the number of columns."""

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Put a picture that is there in its place, and write the sheet."""
        for one in progress.jobs if job is None else [job]:
            self._take(progress, one)
        if job is None or progress.states[job.key] not in ("waiting", "running"):
            self._look_at_those_that_run(progress)
            cells, columns = self.cells(progress)
            if cells:
                self.picture = contact_sheet(cells, columns, self.cell)
                self._write()

    def cell_of(
        self, progress: Progress, job: Job, label: str, empty: tuple[int, int]
    ) -> tuple[str, Image.Image]:
        """The cell of a job: its picture, the picture so far of one that ended early, or nothing.

        Args:
            progress: of the batch.
            job: in it.
            label: stands over it.
            empty: size of the cell where there is no picture, pixels.
        """
        state = progress.states[job.key]
        if state in UNFINISHED or (state == "running" and job.key in self.pictures):
            label = f"{state.upper()} {label}".strip()
        return label, self.pictures.get(job.key) or Image.new("RGB", empty, EMPTY)

    def small(self, path: str | Path) -> Image.Image:
        """A picture file as it is shown.

        Raises:
            PictureError: it cannot be read.
        """
        file = fetched(path) if isinstance(path, str) and is_url(path) else path
        return shrunk(to_picture(open_picture(file, self.most).image), self.cell)

    def finish(self) -> None:
        """Write it once more if it could not be written.

        Raises:
            OutputError: it is not in its place; the line says where it is.
        """
        if not self.is_written and self.picture is not None and self.path is not None:
            self.outputs.keep_or_raise(partial(write_sheet, self.picture), self.path, "sheet")

    def _take(self, progress: Progress, job: Job) -> None:
        state, path = progress.states[job.key], progress.folder / job.output
        if state == "done" or (state in UNFINISHED and path.is_file()):
            try:
                self.pictures[job.key] = self.small(path)
            except PictureError as error:
                # Somebody else has written there; the other pictures are wanted all the same.
                logger.warning(
                    "sheet: %s; once it is removed, the same call paints it again", error
                )

    def _look_at_those_that_run(self, progress: Progress) -> None:
        for job in progress.jobs:
            if progress.states[job.key] == "running":
                # It is written while this process looks.
                with suppress(PictureError):
                    path = work_of(progress.folder, job.key) / PICTURE
                    self.pictures[job.key] = self.small(path)

    def _write(self) -> None:
        if self.path is None or self.picture is None:
            return
        try:
            with self.outputs.writing(self.path) as part:
                write_sheet(self.picture, part)
        except OutputError as error:
            if self.is_written:
                logger.warning("sheet: %s; it is tried again", error)
        else:
            self.is_written = True
            return
        self.is_written = False


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write a sheet in the format of its suffix.

    Raises:
        OSError: it cannot be written.
    """
    if path.suffix.lower() == ".pdf":
        sheet.save(path, "PDF", resolution=150)
    else:
        save(sheet, path)
