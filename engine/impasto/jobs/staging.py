"""Jobs of workers that do not see the folders of the batch: their files go there and back with them.

Files are told by their place: ``here/…`` counts from the working folder, ``results/…`` from that of results,
on both machines; ``outside/…`` is for pictures from elsewhere.
"""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from impasto.errors import ImpastoError, OutputError, SettingsError
from impasto.files.outputs import OWN, Outputs
from impasto.files.scratch import scratch_folder
from impasto.files.sent import SENT
from impasto.files.urls import is_url
from impasto.files.whole import PART, written_whole
from impasto.jobs.job import at
from impasto.jobs.own_files import paths_of
from impasto.jobs.run import observed_host
from impasto.jobs.worker import Ended, Task, Worker
from impasto.settings.input_files import files_of, picture_files
from impasto.storage.checkpoint import LOCK

logger = logging.getLogger("impasto")

Files = Mapping[str, bytes]
"""Contents by place."""

HERE, RESULTS, OUTSIDE = "here", "results", "outside"


@dataclass(frozen=True)
class StagedTask:
    """A task with the contents of all files that it needs. It can be pickled."""

    task: Task
    files: Files
    outside: Mapping[str, str]
    """Places of pictures that do not lie in the working folder, by their names."""
    written: tuple[str, ...]
    """Places of files and folders that the job writes."""

    @classmethod
    def of(cls, task: Task) -> StagedTask:
        """A task with its files: inputs and, if it is to go on, its checkpoint and what its callbacks wrote.

        A file that cannot be read is left out: the worker says so.

        Raises:
            SettingsError: a file of a plugin that lies outside of the working folder.
        """
        paths, outside = inputs_of(task)
        written = written_by(task)
        if task.checkpoint.is_dir():
            paths.update(dict(files_at(task.folder, written)))
        return cls(task, read(paths), outside, written)

    @staticmethod
    def check(tasks: Iterable[Task]) -> None:
        """Refuse tasks that only a worker can do that sees their folders.

        Raises:
            SettingsError: with the first.
        """
        for task in tasks:
            inputs_of(task)
            written_by(task)

    @staticmethod
    def take_files(task: Task, files: Files) -> None:
        """Write what a worker made so far to where it belongs, but for the picture."""
        picture = picture_of(task)
        for place, data in files.items():
            if place == picture:
                continue
            try:
                path = path_of(place, task.folder)
                path.parent.mkdir(parents=True, exist_ok=True)
                with written_whole(path) as part:
                    part.write_bytes(data)
            except (OSError, OutputError) as error:
                logger.warning("%s: %s", task, error)

    @staticmethod
    def take_result(task: Task, ended: Ended, files: Files) -> Ended:
        """Write all that a worker made to where it belongs.

        Returns:
            What became of the task, with the place of its picture if it cannot be written.
        """
        StagedTask.take_files(task, files)
        trouble = ""
        if picture := files.get(picture_of(task)):
            outputs = Outputs(force=task.force)
            trouble = outputs.keep(lambda part: part.write_bytes(picture), Path(task.output))
        if trouble:
            return replace(ended, status="failed", error=trouble)
        if ended.status == "done":
            shutil.rmtree(task.checkpoint, ignore_errors=True)
        return ended


class StagedWorker:
    """Does staged tasks in a folder of its own, which is the working folder of the process from then on."""

    def __init__(self, worker: Worker) -> None:
        """Make the folder.

        Args:
            worker: does the tasks.

        Raises:
            OSError: it cannot be made.
        """
        self.worker, self.root = worker, scratch_folder()
        self.written: tuple[str, ...] = ()
        self.told: dict[str, tuple[int, int, int]] = {}
        """Inode, size and time of the files that were given by :meth:`news`, by their place."""
        self.lock = threading.Lock()

    def do(self, staged: StagedTask) -> tuple[Ended, Files]:
        """Do a task; what became of it, with the files that it wrote since :meth:`news` was asked.

        Raises:
            KeyboardInterrupt: the worker was stopped; :meth:`news` has the checkpoint.
        """
        task = replace(staged.task, folder=str(self.root / RESULTS), force=True)
        try:
            self._lay_out(staged)
        except OSError as error:
            where = f"the folder '{self.root}' of a worker"
            return Ended("failed", f"{where} cannot be written to: {error.strerror or error}"), {}
        ended = self.worker.do(task)
        said = ended.error.replace(task.folder, staged.task.folder)
        return replace(ended, error=said), self.news()

    def news(self) -> Files:
        """The files of the task that are new or changed. May be called while another thread does it."""
        with self.lock:
            found = dict(files_at(self.root / RESULTS, self.written, self.root / HERE))
            stamps = {}
            for place, path in found.items():
                with suppress(OSError):
                    status = os.stat(path)
                    stamps[place] = (status.st_ino, status.st_size, status.st_mtime_ns)
            changed = {place for place, stamp in stamps.items() if self.told.get(place) != stamp}
            files = read({place: found[place] for place in changed})
            self.told.update({place: stamps[place] for place in files})
            return files

    def leave(self) -> None:
        """Remove the folder."""
        os.chdir(self.root.parent)
        SENT.clear()
        shutil.rmtree(self.root, ignore_errors=True)

    def _lay_out(self, staged: StagedTask) -> None:
        """Make the folders as the task has them, without what earlier tasks left there."""
        with self.lock:
            os.chdir(self.root)
            for name in (HERE, RESULTS, OUTSIDE):
                shutil.rmtree(self.root / name, ignore_errors=True)
                (self.root / name).mkdir()
            for place in staged.written:
                (self.root / place).parent.mkdir(parents=True, exist_ok=True)
            for place, data in staged.files.items():
                path = self.root / place
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
            SENT.clear()
            SENT.update({name: str(self.root / place) for name, place in staged.outside.items()})
            os.chdir(self.root / HERE)
            self.written, self.told = staged.written, {}


def inputs_of(task: Task) -> tuple[dict[str, str], dict[str, str]]:
    """The files of this machine that a job reads.

    Returns:
        Their paths, by place; and the places of those that lie outside of the working folder, by name.

    Raises:
        SettingsError: a file of a plugin lies outside.
    """
    settings = task.job.settings
    pictures = (*picture_files(settings), settings.init)
    paths: dict[str, str] = {}
    outside: dict[str, str] = {}
    for name in files_of(settings):
        if is_url(name) or not os.path.isfile(name):
            continue
        place = f"{HERE}/{name}"
        if not is_inside(name):
            if name not in pictures:
                raise cannot(task, f"the file '{name}' of a plugin")
            # Its suffix says what it is.
            place = outside.setdefault(name, f"{OUTSIDE}/{len(outside)}{PurePath(name).suffix}")
        paths[place] = name
    return paths, outside


def written_by(task: Task) -> tuple[str, ...]:
    """The places of files and folders that a job writes: picture, checkpoint, files of callbacks.

    Raises:
        SettingsError: a callback writes outside of the working folder.
        ImpastoError: a plugin or an option does not fit.
    """
    settings = task.job.settings
    places = [picture_of(task), f"{RESULTS}/{task.checkpoint.relative_to(task.folder).as_posix()}"]
    if not settings.callback:
        return tuple(places)
    host = observed_host(settings.load, settings.plugin, ())
    for spec in settings.callback:
        for path in paths_of(host, spec).values():
            if not is_inside(path):
                raise cannot(task, f"'{path}' of callback '{spec.name}'")
            places.append(f"{HERE}/{path.as_posix()}")
    return tuple(places)


def picture_of(task: Task) -> str:
    """The place of a job's picture."""
    return f"{RESULTS}/{PurePath(task.job.output).as_posix()}"


def is_inside(name: str | PurePath) -> bool:
    """Whether a name is that of something in the working folder, without ways around."""
    path = PurePath(name)
    return not path.is_absolute() and ".." not in path.parts and path != PurePath()


def cannot(task: Task, what: str) -> ImpastoError:
    """The error for a file that stays where it is."""
    line = f"{what} is outside of the working folder: a worker that does not see it needs it inside"
    return at(task.job.place, SettingsError(line))


def path_of(place: str, results: str | Path, here: str | Path = "") -> Path:
    """Where a place is on this machine."""
    root, _, name = place.partition("/")
    return Path(results if root == RESULTS else here, name)


def files_at(
    results: str | Path, written: Iterable[str], here: str | Path = ""
) -> Iterator[tuple[str, str]]:
    """The places and paths of the files that are there of those that a job writes."""
    for place in written:
        path = path_of(place, results, here)
        if path.is_file():
            yield place, os.fspath(path)
        for one in sorted(path.rglob("*")):
            # Those of the process that has the checkpoint say nothing on another machine.
            if one.is_file() and one.name not in (LOCK, OWN) and not PART.fullmatch(one.name):
                yield f"{place}/{one.relative_to(path).as_posix()}", os.fspath(one)


def read(paths: Mapping[str, str]) -> dict[str, bytes]:
    """The contents of files, by place; those that are gone are left out."""
    files = {}
    for place, path in paths.items():
        with suppress(OSError):
            files[place] = Path(path).read_bytes()
    return files
