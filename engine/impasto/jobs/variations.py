"""Variations of a texture: a job for each seed, and a sheet of all."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from impasto.errors import SettingsError
from impasto.files.names import fitting_name
from impasto.images.writing import SUFFIXES
from impasto.jobs.batch import Progress
from impasto.jobs.job import Job
from impasto.jobs.rows import with_own_callback_files
from impasto.jobs.sheet import Cells, Sheet
from impasto.settings.input_files import files_of
from impasto.settings.settings import Settings

CELL = 256
"""Pixels of the square that each picture is made to fit in, in the sheet."""


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


class VariationsSheet(Sheet):
    """The sheet of the variations that are done."""

    def __init__(self, settings: Settings, documents: Iterable[str]) -> None:
        """Claim the file.

        Args:
            settings: of all variations; their output is the sheet.
            documents: files that the settings come from.

        Raises:
            OutputError: it cannot be written, or is an input, or is there.
        """
        reads = [*files_of(settings), *map(os.path.abspath, documents)]
        super().__init__(settings.output, CELL, settings, folder_of(settings), reads)

    def cells(self, progress: Progress) -> tuple[Cells, int]:
        """A cell for each that is done."""
        done = [
            (f"{Path(job.output).stem} seed {job.settings.seed}", self.pictures[job.key])
            for job in progress.jobs
            if progress.states[job.key] == "done"
        ]
        return done, math.ceil(math.sqrt(len(progress.jobs)))
