"""The manifest of a batch: a file of JSON lines beside the results, which says what became of each job.

Lines are only ever added, each by one write that is on the disk before the work goes on. A line that a killed
process left unfinished is no line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NotRequired

from filelock import FileLock, Timeout
from pydantic import ConfigDict, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from impasto.errors import CheckpointError, OutputError
from impasto.files.whole import flush_to_disk
from impasto.jobs.job import Job
from impasto.settings.document import MEGABYTE, read_document
from impasto.settings.options import complaint
from impasto.settings.plain_json import from_json, to_json
from impasto.storage.checkpoint import LOCK, locked

NAME = "manifest.jsonl"
WORK = ".impasto"
"""Folder in that of the results: the lock, and checkpoints of jobs that are not done."""
FORMAT = 1
LARGEST = 1000 * MEGABYTE
"""Bytes of a manifest: a hundred thousand jobs have a hundredth of that."""
KILLS = 2
"""Workers that a job may kill before it is set aside."""

Status = Literal["started", "done", "failed", "killed", "retry"]


class Line(TypedDict):
    """One line of a manifest: which batch it is, what a job is, or what became of one."""

    __pydantic_config__ = ConfigDict(strict=True, extra="allow")  # type: ignore[misc]

    format: NotRequired[int]
    batch: NotRequired[str]
    """What the batch was made from."""
    jobs: NotRequired[list[str]]
    """Keys of all its jobs, in order."""
    called: NotRequired[float]
    """When the batch was called: seconds since 1970. What was started before is not running any more."""
    job: NotRequired[str]
    """Key of the job that the rest of the line is about."""
    output: NotRequired[str]
    place: NotRequired[str]
    settings: NotRequired[dict[str, Any]]
    status: NotRequired[Status]
    error: NotRequired[str]


class Manifest:
    """What a manifest says, and a place to say more."""

    def __init__(self, folder: Path) -> None:
        """Read the manifest of a folder; one that is not there is empty.

        Raises:
            OutputError: it cannot be read, or is no manifest.
        """
        self.folder, self.path = folder, folder / NAME
        self.batch = ""
        self.keys: list[str] = []
        self.tables: dict[str, Line] = {}
        """What each job is, by its key."""
        self.last: dict[str, Line] = {}
        """The last that is known of each job, by its key."""
        self.kills: dict[str, int] = {}
        """Workers that each job killed."""
        self.written: set[str] = set()
        """Names of pictures that jobs of this batch began."""
        self.called = 0.0
        """When the batch was called last: seconds since 1970."""
        self.running: set[str] = set()
        """Keys of jobs that were started since then and did not end."""
        self.ended = 0
        """Jobs that ended since then."""
        if os.path.lexists(self.path):
            data = read_document(self.path, f"manifest '{self.path}'", LARGEST, OutputError)
            for line in self._lines(data):
                self._take(line)
            if unknown := [key for key in self.keys if key not in self.tables]:
                raise OutputError(
                    f"manifest '{self.path}' is damaged: it does not say what job '{unknown[0]}' is"
                )

    def status(self, key: str) -> str:
        """What became of a job: ``waiting``, ``done``, ``failed`` or ``set aside``.

        A job that was started and never ended is waiting: it goes on from its checkpoint.
        """
        if self.kills.get(key, 0) >= KILLS:
            return "set aside"
        last = self.last[key].get("status") if key in self.last else None
        if last == "done" and os.path.isfile(self.folder / self.tables[key]["output"]):
            return "done"
        return "failed" if last == "failed" else "waiting"

    def error(self, key: str) -> str:
        """The line about what went wrong with a job; empty if nothing did."""
        return self.last[key].get("error", "") if key in self.last else ""

    def plan(self, batch: str, jobs: Sequence[Job], keys: list[str]) -> None:
        """Write down which jobs the batch has, as far as it is not there already.

        Args:
            batch: what it was made from.
            jobs: to be written down.
            keys: of all its jobs, in order.
        """
        if batch != self.batch:
            self.add({"format": FORMAT, "batch": batch})
        for job in jobs:
            if job.key not in self.tables:
                self.add({"job": job.key, **job.as_table()})
        if keys != self.keys:
            self.add({"jobs": keys})

    def refuse_another(self, batch: str, force: bool) -> None:
        """Refuse to go on with something else than the folder has the results of.

        Args:
            batch: what it would be.
            force: go on all the same.

        Raises:
            OutputError: with what it has.
        """
        if self.batch not in ("", batch) and not force:
            raise OutputError(
                f"'{self.folder}' has the results of another batch, {self.batch}: name another folder, or"
                " set force to go on there",
                settings=("folder", "force"),
            )

    def begin(self, key: str) -> None:
        """Write down that a job is begun."""
        self.add({"job": key, "status": "started"})

    def end(
        self, key: str, output: str, status: Status, error: str, record: Mapping[str, object]
    ) -> dict[str, object]:
        """Write down what became of a job.

        Args:
            key: of the job.
            output: name of its picture.
            status: how it ended.
            error: one line; empty if nothing went wrong.
            record: more about its run.

        Returns:
            The line, without the record.
        """
        line: dict[str, object] = {"job": key, "output": output, "status": status}
        if error:
            line["error"] = error
        self.add({**line, **record})
        return line

    def add(self, line: Mapping[str, object]) -> None:
        """Add a line; it is on the disk afterwards.

        Raises:
            OutputError: it cannot be written.
        """
        data = f"{to_json(line)}\n".encode()
        try:
            new = not self.path.exists()
            handle = os.open(
                self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666
            )
            try:
                if os.write(handle, data) != len(data):
                    raise OSError("the disk is full")
                os.fsync(handle)
            finally:
                os.close(handle)
            if new:
                flush_to_disk(self.folder)
        except OSError as error:
            reason = error.strerror or error
            raise OutputError(f"manifest '{self.path}' cannot be written: {reason}") from None
        self._take(Line(**line))  # type: ignore[typeddict-item]

    def cut_torn_line(self) -> None:
        """Remove the end of the file that is no whole line, so that the next one begins anew."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)

    def _lines(self, data: bytes) -> Iterator[Line]:
        # What follows the last end of a line was being written when the process was killed.
        for number, text in enumerate(data.split(b"\n")[:-1], 1):
            try:
                line = TypeAdapter(Line).validate_python(from_json(text))
            except ValidationError as error:
                raise self._damaged(number, complaint(error, "entry")) from None
            except ValueError as error:
                raise self._damaged(number, str(error)) from None
            if "settings" in line and (missing := {"job", "output", "place"} - line.keys()):
                raise self._damaged(number, f"the entry '{min(missing)}' must be given")
            if line.get("format", FORMAT) != FORMAT:
                raise OutputError(f"manifest '{self.path}' is of another version of Impasto")
            yield line

    def _take(self, line: Line) -> None:
        self.batch = line.get("batch", self.batch)
        self.keys = list(line["jobs"]) if "jobs" in line else self.keys
        if "called" in line:
            self.called, self.ended, self.running = line["called"], 0, set()
        key = line.get("job")
        if key is None:
            return
        if "settings" in line:
            # A film's frames come to be known one by one.
            if key not in self.tables:
                self.keys.append(key)
            self.tables[key] = line
        if "status" not in line or key not in self.tables:
            return
        self.last[key] = line
        self._count(key, line["status"])
        if line["status"] == "killed":
            self.kills[key] = self.kills.get(key, 0) + 1
        elif line["status"] in ("done", "retry"):
            self.kills[key] = 0
        self.written.add(self.tables[key]["output"])

    def _count(self, key: str, status: Status) -> None:
        if status == "started":
            self.running.add(key)
        else:
            self.running.discard(key)
            self.ended += status in ("done", "failed")

    def _damaged(self, number: int, reason: str) -> OutputError:
        return OutputError(f"manifest '{self.path}' is damaged in line {number}: {reason}")


def work_of(folder: Path, key: str) -> Path:
    """The folder of a job's checkpoint."""
    return folder / WORK / key[:32]


def is_being_painted(folder: Path) -> bool:
    """Whether a process paints the batch of a folder; no, where that cannot be known."""
    lock = FileLock(folder / WORK / LOCK, blocking=False)
    try:
        with lock:
            return False
    except Timeout:
        return True
    except (OSError, NotImplementedError):
        return False


@contextmanager
def opened(folder: Path) -> Iterator[Manifest]:
    """The manifest of a folder, which is made if it is not there, and is kept from others meanwhile.

    Raises:
        OutputError: the folder cannot be written to, another batch is painted there, or its manifest
            cannot be read.
    """
    try:
        (folder / WORK).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"folder '{folder}' cannot be made: {error.strerror or error}") from None
    if not os.access(folder / WORK, os.W_OK | os.X_OK):
        raise OutputError(f"folder '{folder}' cannot be written to")
    try:
        with locked(folder / WORK, "paints a batch"):
            manifest = Manifest(folder)
            manifest.cut_torn_line()
            yield manifest
    except CheckpointError as error:
        raise OutputError(str(error)) from None
