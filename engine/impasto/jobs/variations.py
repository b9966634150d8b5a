"""Variations of a texture: a job for each seed, and a sheet of all."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PIL import Image

from impasto.errors import OutputError, SettingsError
from impasto.files.names import fitting_name
from impasto.files.outputs import Outputs
from impasto.images.contact_sheet import contact_sheet, shrunk
from impasto.images.reading import open_picture
from impasto.images.tensors import save, to_picture
from impasto.images.writing import SUFFIXES
from impasto.jobs.batch import Progress
from impasto.jobs.job import Job
from impasto.jobs.manifest import WORK
from impasto.jobs.rows import with_own_callback_files
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings

CELL = 256
"""Pixels of the square that each picture is made to fit in, in the sheet."""

logger = logging.getLogger("impasto")


def folder_of(settings: Settings) -> Path:
    """Where the variations go: the name of the output without its suffix.

    Raises:
        SettingsError: the output has no suffix.
    """
    assert settings.output is not None
    path = Path(settings.output)
    if not path.suffix:
        raise SettingsError(
            f"output '{path}' has no suffix; allowed: {', '.join(SUFFIXES)}", settings=("output",)
        )
    return path.with_suffix("")


def jobs_of_seeds(settings: Settings, number: int) -> list[Job]:
    """A job for each of so many seeds, from that of the settings on; pictures are numbered from 1.

    Args:
        settings: of all; the output is that of the sheet.
        number: of variations.

    Raises:
        SettingsError: a checkpoint is named, or the seeds end.
        ImpastoError: an input cannot be read.
    """
    folder, suffix = folder_of(settings), Path(settings.output or "").suffix
    if settings.seed + number > 2**63:
        raise SettingsError(
            f"there are no {number} seeds from {settings.seed} on", settings=("seed",)
        )
    jobs = []
    for place in range(number):
        output = fitting_name(f"{folder.name}-{place + 1}", suffix)
        one = replace(settings, seed=settings.seed + place, output=output)
        jobs.append(Job.of(one, f"variation {place + 1}"))
    return with_own_callback_files(jobs)


class VariationsSheet:
    """The sheet of the variations, written anew as they come in."""

    def __init__(self, settings: Settings, documents: Iterable[str]) -> None:
        """Claim the file.

        Args:
            settings: of all variations; their output is the sheet.
            documents: files that the settings come from.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        self.outputs = Outputs(force=settings.force)
        # A sheet that was written from this folder may be written again.
        self.outputs.remember_in(folder_of(settings) / WORK)
        self.outputs.reads([*files_of(settings), *map(os.path.abspath, documents)])
        self.path = self.outputs.claim(settings.output or "", suffixes=SUFFIXES)
        self.most = settings.max_megapixels
        self.done: dict[str, Image.Image] = {}
        """Pictures that are done, small, by the job's key."""

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Put what is done into the sheet, and write it."""
        before = len(self.done)
        for one in progress.jobs if job is None else [job]:
            if progress.states[one.key] == "done":
                picture = to_picture(open_picture(progress.folder / one.output, self.most).image)
                self.done[one.key] = shrunk(picture, CELL)
        if len(self.done) == before:
            return
        cells = [
            (f"{Path(one.output).stem} seed {one.settings.seed}", self.done[one.key])
            for one in progress.jobs
            if one.key in self.done
        ]
        sheet = contact_sheet(cells, math.ceil(math.sqrt(len(progress.jobs))), CELL)
        try:
            self.outputs.keep_or_raise(partial(save, sheet), self.path, "sheet")
        except OutputError as error:
            logger.warning("%s", error)
