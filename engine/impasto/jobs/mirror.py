"""A folder of results by URL: jobs are done in a folder of this machine, and what is done is put there.

The manifest is the truth there, too: it follows the pictures that it calls done.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from platformdirs import user_cache_path

from impasto.errors import OutputError, one_line
from impasto.files.urls import is_url, opened
from impasto.files.whole import written_whole
from impasto.jobs.batch import Follower, Progress
from impasto.jobs.job import Job
from impasto.jobs.manifest import NAME, Manifest

SECONDS = 5.0
"""Between two times that the manifest is put there, which is larger each time."""

logger = logging.getLogger("impasto")


@contextmanager
def results_in(folder: str) -> Iterator[tuple[Path, list[Follower]]]:
    """The folder in which to do the jobs of a batch, and who has to be told of their ends.

    Args:
        folder: a folder, or a URL.

    Raises:
        OutputError: the URL cannot be read or written to.
    """
    if not is_url(folder):
        yield Path(folder), []
        return
    mirror = Mirror(folder)
    mirror.fetch()
    try:
        yield mirror.folder, [mirror.follow]
    finally:
        mirror.put()
    mirror.remove_what_is_done()


def local_folder(folder: str) -> Path:
    """The folder of this machine for one by URL; another one is itself."""
    if not is_url(folder):
        return Path(folder)
    cache = user_cache_path("impasto", appauthor=False)
    return cache / "results" / hashlib.sha256(folder.encode()).hexdigest()[:32]


class Mirror:
    """The folder of this machine, which stays until all is done: checkpoints of killed calls lie there."""

    def __init__(self, url: str) -> None:
        """Name both folders.

        Raises:
            SettingsError: fsspec has no such file system.
        """
        self.url, self.folder = url, local_folder(url)
        self.system, self.path = opened(url.rstrip("/"))
        self.manifest = self.folder / NAME
        self.sent = 0
        """Bytes of the manifest that are there."""
        self.when = 0.0
        self.failing = False

    def fetch(self) -> None:
        """Fetch the manifest, and pictures that it calls done, as far as they are not here.

        A manifest here that goes on where that one ends is of a call that was killed, and stays.

        Raises:
            OutputError: they cannot be fetched.
        """
        try:
            self.system.invalidate_cache()
            there = self._there(NAME)
            data = self.system.cat_file(there) if self.system.exists(there) else b""
            self.folder.mkdir(parents=True, exist_ok=True)
            here = self.manifest.read_bytes() if self.manifest.exists() else b""
            if not here.startswith(data):
                self._begin_anew(data)
            self.sent = len(data)
            for name in pictures_in(data):
                if not (self.folder / name).exists() and self.system.exists(self._there(name)):
                    (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
                    with written_whole(self.folder / name) as part:
                        self.system.get_file(self._there(name), os.fspath(part))
        except OutputError:
            raise
        except Exception as error:
            raise self._no("read", error) from None

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Put there what a job that ended made."""
        if job is None or time.monotonic() - self.when < SECONDS:
            return
        try:
            self.put()
            self.failing = False
        except OutputError as error:
            if not self.failing:
                logger.warning("%s; it is tried again", error)
            self.failing = True

    def put(self) -> None:
        """Put pictures there that came to be done since, then the manifest.

        Raises:
            OutputError: they cannot be written there; they stay here.
        """
        self.when = time.monotonic()
        data = self.manifest.read_bytes() if self.manifest.exists() else b""
        if len(data) == self.sent:
            return
        try:
            for name in (*pictures_in(data[self.sent :]), NAME):
                if (self.folder / name).exists():
                    self.system.makedirs(os.path.dirname(self._there(name)), exist_ok=True)
                    self.system.put_file(os.fspath(self.folder / name), self._there(name))
        except Exception as error:
            raise self._no("written to", error) from None
        self.sent = len(data)

    def remove_what_is_done(self) -> None:
        """Remove the folder of this machine, unless a job is to go on from there."""
        manifest = Manifest(self.folder)
        if all(manifest.status(key) == "done" for key in manifest.keys):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _begin_anew(self, data: bytes) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        if data:
            with written_whole(self.manifest) as part:
                part.write_bytes(data)

    def _there(self, name: str) -> str:
        return f"{self.path}/{name}"

    def _no(self, what: str, error: Exception) -> OutputError:
        reason = one_line(str(error)) or type(error).__name__
        return OutputError(f"the folder '{self.url}' cannot be {what}: {reason}")


def pictures_in(lines: bytes) -> list[str]:
    """The pictures that lines of a manifest call done; what is no whole line is left out."""
    names = []
    for line in lines.split(b"\n")[:-1]:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict) and entry.get("status") == "done":
            name = PurePath(str(entry.get("output")))
            # One that somebody else wrote must not name files outside of the folder.
            if not name.is_absolute() and ".." not in name.parts:
                names.append(name.as_posix())
    return names
