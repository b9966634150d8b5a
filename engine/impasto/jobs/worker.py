"""Workers do the jobs of a batch, one after another, and executors have workers somewhere."""

from __future__ import annotations

import logging
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from impasto.errors import CheckpointError, ImpastoError, one_line
from impasto.files.whole import machine
from impasto.jobs.job import Job
from impasto.jobs.live import Live
from impasto.jobs.manifest import work_of
from impasto.jobs.resume import resume_as
from impasto.jobs.run import run_settings
from impasto.optimization.result import Result
from impasto.optimization.shared import Shared
from impasto.storage.checkpoint import NAME, locked

logger = logging.getLogger("impasto")

PATIENCE = 30.0
"""Seconds in which another process has to let go of a job's checkpoint; else the job fails."""

IN_RECORDS = ("width", "height", "steps", "seconds", "loss", "device", "precision", "stopped")
"""What a batch keeps of the record of a run."""


@dataclass(frozen=True)
class Task:
    """A job, and where its picture goes. It can be pickled."""

    job: Job
    folder: str
    """Of the results."""
    force: bool
    """Whether a picture that is there is replaced."""
    observers: tuple[object, ...] = ()
    """Objects with life-cycle hooks; they are pickled, too, where the worker is another process."""
    process: str = ""
    """The process that gave it; a worker in another one gives back its warnings."""

    @property
    def output(self) -> str:
        """The file of the picture."""
        return os.path.join(self.folder, self.job.output)

    @property
    def checkpoint(self) -> Path:
        """The folder of the job's checkpoint."""
        return work_of(Path(self.folder), self.job.key)

    def __str__(self) -> str:
        return self.job.output


@dataclass(frozen=True)
class Ended:
    """What became of a task."""

    status: Literal["done", "failed", "killed"]
    """``killed``: its worker came to an end before the task did."""
    error: str = ""
    """One line; empty if it is done."""
    record: Mapping[str, object] = field(default_factory=dict)
    """Size, steps, seconds and losses of the run."""
    warnings: tuple[str, ...] = ()
    """What was warned of in another process, a line each; in that of the batch it has been said."""


class Worker:
    """Does one task after another in its process; network and style statistics stay between them."""

    def __init__(self, observers: Sequence[object] = ()) -> None:
        """Start with nothing.

        Args:
            observers: objects with life-cycle hooks, for all of its runs.
        """
        self.shared, self.observers = Shared(), observers

    def do(self, task: Task) -> Ended:
        """Paint a job, from its checkpoint if it has one, and write the picture.

        Raises:
            KeyboardInterrupt: the worker was stopped; the checkpoint says how far it came.
        """
        if task.process == this_process():
            return self._done(task)
        with warnings_kept() as kept:
            ended = self._done(task)
        return replace(ended, warnings=tuple(kept))

    def _done(self, task: Task) -> Ended:
        try:
            result = self._painted(task)
        except ImpastoError as error:
            return Ended("failed", str(error))
        except Exception as error:
            return Ended("failed", one_line(f"{type(error).__name__}: {error}"))
        shutil.rmtree(task.checkpoint, ignore_errors=True)
        record = result.as_record()
        return Ended("done", record={name: record[name] for name in IN_RECORDS})

    def _painted(self, task: Task) -> Result:
        folder = task.checkpoint
        # The checkpoint's register of what the run wrote is what a killed run leaves first.
        settings = replace(
            task.job.settings, output=task.output, checkpoint=str(folder), force=task.force
        )
        observers = [*task.observers, *self.observers, Live(folder)]
        if folder.is_dir():
            # A worker of a batch that was killed may need a moment to notice it.
            with locked(folder, patience=PATIENCE):
                pass
        if (folder / NAME).exists():
            try:
                return resume_as(settings, observers, self.shared)
            except CheckpointError as error:
                logger.warning("%s: %s; it is painted from the start", task, error)
                shutil.rmtree(folder, ignore_errors=True)
        return run_settings(settings, observers=observers, shared=self.shared)


def this_process() -> str:
    """A name for this process among those of all machines."""
    return f"{machine()}-{os.getpid()}"


@contextmanager
def warnings_kept() -> Iterator[list[str]]:
    """The warnings of the engine meanwhile, which are said nowhere else."""
    kept: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: kept.append(record.getMessage())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield kept
    finally:
        logger.removeHandler(handler)


class Executor(ABC):
    """Does the tasks of a batch: in this process, in others, or on other machines."""

    same_machine = False
    """Whether all workers are on this machine, so that a device that is missing here is refused at once."""

    @abstractmethod
    def run(
        self, tasks: Sequence[Task], began: Callable[[Task], None]
    ) -> Generator[tuple[Task, Ended], None, None]:
        """Do all tasks by workers; give each with what became of it, as they end.

        A worker that comes to its end before its task does gives ``killed``; the batch decides whether
        the task is given once more. Where the iterator is closed, or Ctrl-C comes, workers are stopped.

        Args:
            tasks: in the order in which to begin.
            began: to be called in this process when a worker begins a task.
        """

    def close(self) -> None:  # noqa: B027
        """Let go of what :meth:`run` keeps between its calls. Called at the end of a batch."""
