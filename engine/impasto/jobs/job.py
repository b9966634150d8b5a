"""A job: one run described in full, with the name of its picture in the folder of results."""

from __future__ import annotations

import functools
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from impasto.errors import ImpastoError, SettingsError
from impasto.files.names import default_output
from impasto.files.urls import fetched, is_url
from impasto.images.reading import largest_file
from impasto.optimization.inputs import sha256
from impasto.optimization.provenance import versions
from impasto.settings.input_files import files_of, picture_files
from impasto.settings.plain_json import to_json
from impasto.settings.settings import Settings, validate

OF_THE_BATCH = ("output", "force", "trust", "checkpoint")
"""Settings that a batch gives to its jobs."""

NOT_IN_KEYS = (*OF_THE_BATCH, "checkpoint_every")
"""Settings that do not change the picture."""


@dataclass(frozen=True)
class Job:
    """A run described in full. It can be pickled."""

    settings: Settings
    """All but the output."""
    output: str
    """Name of the picture in the folder of results."""
    place: str
    """Where it was asked for, for errors: ``row 3``."""
    key: str
    """Checksum of inputs, settings and versions: another one is another picture."""

    @classmethod
    def of(cls, settings: Settings, place: str) -> Job:
        """The job of settings, whose inputs are read for their checksums.

        Raises:
            SettingsError: it has a checkpoint of its own, or an output outside of the results.
            ImpastoError: an input cannot be read.
        """
        output = settings.output or default_output(settings.content, settings.style)
        path = PurePath(output)
        if path.is_absolute() or ".." in path.parts:
            raise SettingsError(f"output '{output}' is not a name in the folder of results")
        if settings.checkpoint is not None:
            raise SettingsError("a batch keeps the checkpoints of its jobs itself: name none")
        return cls(settings, os.path.normpath(output), place, key_of(settings, output))

    def as_table(self) -> dict[str, object]:
        """What JSON can hold; :meth:`from_table` reads it."""
        table = self.settings.as_table()
        settings = {name: value for name, value in table.items() if name not in OF_THE_BATCH}
        return {"output": self.output, "place": self.place, "settings": settings}

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Job:
        """The job that :meth:`as_table` wrote, with the inputs as they are now.

        Raises:
            ImpastoError: as for :meth:`of`.
        """
        settings = validate({**table["settings"], "output": table["output"]})
        return cls.of(settings, table["place"])


def at(place: str, error: ImpastoError) -> SettingsError:
    """The same error with where the job was asked for."""
    return SettingsError(f"{place}: {error}", settings=error.settings)


def key_of(settings: Settings, output: str) -> str:
    """Checksum of a job: its inputs' contents, settings, output and versions.

    Raises:
        PictureError: an input cannot be fetched.
        RecipeError: one cannot be read.
    """
    table = settings.as_table()
    chosen = {name: table[name] for name in table if name not in NOT_IN_KEYS}
    pictures = {*picture_files(settings), settings.init}
    files = {
        name: fetched(name) if name in pictures and is_url(name) else name
        for name in files_of(settings)
    }
    largest = largest_file(settings.max_megapixels)
    inputs = {
        name: checksum(file)
        for name, file in files.items()
        # What is larger is refused before the first job, and would take long to read.
        if os.path.isfile(file) and (name not in pictures or os.path.getsize(file) <= largest)
    }
    # What is in an object of Python is not known: such a job is never one that was done before.
    once = secrets.token_hex(16) if settings.objects() else ""
    text = to_json([sorted(chosen.items()), sorted(inputs.items()), output, versions(), once])
    return hashlib.sha256(text.encode()).hexdigest()


def checksum(path: str) -> str:
    """SHA-256 of a file; one that did not change since is not read again.

    Raises:
        RecipeError: it cannot be read.
    """
    status = os.stat(path)
    return _checksum(path, status.st_ino, status.st_size, status.st_mtime_ns)


@functools.lru_cache(maxsize=4096)
def _checksum(path: str, *_: int) -> str:
    return sha256(path)


def refuse_same_outputs(jobs: Sequence[Job]) -> list[SettingsError]:
    """An error for each job whose picture is an earlier one's, too."""
    first: dict[str, Job] = {}
    errors = []
    for job in jobs:
        before = first.setdefault(job.output, job)
        if before is not job:
            line = f"output '{job.output}' is that of {before.place}, too: give one another name"
            errors.append(at(job.place, SettingsError(line)))
    for job in jobs:
        for folder in PurePath(job.output).parents:
            if (other := first.get(str(folder))) is not None:
                line = (
                    f"output '{job.output}': '{folder}' is the picture of {other.place}, no folder"
                )
                errors.append(at(job.place, SettingsError(line)))
    return errors
