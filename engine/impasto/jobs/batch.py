"""Batches: many jobs with their pictures in one folder. What is done is not done again."""

from __future__ import annotations

import functools
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from impasto.errors import (
    ImpastoError,
    OutputError,
    PictureError,
    PluginError,
    SettingsError,
    counted,
    defined_at,
    one_line,
    raised_at,
    with_place,
)
from impasto.files.outputs import Outputs
from impasto.host.host import Host
from impasto.images.writing import SUFFIXES, check_depth
from impasto.jobs.job import Job, at, refuse_same_outputs
from impasto.jobs.manifest import Manifest, opened
from impasto.jobs.own_files import claim_files
from impasto.jobs.run import observed_host
from impasto.jobs.signals import StopSignals
from impasto.jobs.worker import Ended, Executor, Task, this_process
from impasto.optimization.checks import check_content, check_specs
from impasto.optimization.hardware import choose_device
from impasto.optimization.initial_image import INITIAL_IMAGES
from impasto.optimization.inputs import InputFiles
from impasto.settings.input_files import files_of, picture_files
from impasto.settings.settings import Settings
from impasto.settings.spec import Spec
from impasto.settings.style import STYLE_FILE
from impasto.settings.trust import refuse_unnamed, refuse_writes_outside

logger = logging.getLogger("impasto")


@dataclass
class Progress:
    """How far a batch is, for those who follow it."""

    jobs: Sequence[Job]
    folder: Path
    states: dict[str, str] = field(default_factory=dict)
    """``waiting``, ``running``, ``done``, ``failed``, ``set aside`` or ``stopped``, by the job's key."""
    lines: dict[str, dict[str, object]] = field(default_factory=dict)
    """What the manifest has about a job that ended, by its key."""
    began: float = field(default_factory=time.monotonic)
    ended: int = 0
    """Jobs that ended since then."""

    def count(self, *states: str) -> int:
        """Jobs in one of these states."""
        counts = Counter(self.states[job.key] for job in self.jobs)
        return sum(counts[state] for state in states)

    def seconds_left(self) -> float | None:
        """A guess from the jobs that ended; None before the first one."""
        if not self.ended:
            return None
        return (time.monotonic() - self.began) / self.ended * self.count("waiting", "running")


Follower = Callable[[Progress, Job | None], None]
"""Called with the job that began or ended; with None before the first."""


def paint_batch(
    source: str,
    jobs: Sequence[Job],
    folder: Path,
    executor: Executor,
    *,
    retries: int = 0,
    force: bool = False,
    documents: Iterable[str] = (),
    observers: Sequence[object] = (),
    followers: Sequence[Follower] = (),
    outputs: Outputs | None = None,
    shown_in: str = "",
) -> Progress:
    """Paint the jobs that are not done. Everything that can be refused is refused before the first.

    Args:
        source: what the batch was made from; a folder has the results of one.
        jobs: in the order in which to begin.
        folder: of the results; made if it is not there.
        executor: does them.
        retries: how often a job that failed is tried again.
        force: replace files that are not of this batch.
        documents: files that the jobs come from.
        observers: objects with life-cycle hooks, for each run.
        followers: are told when a job begins and ends.
        outputs: a register with what is written besides the pictures; None starts one.
        shown_in: where pictures so far are to be looked at, if the folder is a temporary one.

    Raises:
        ImpastoError: what is wrong, with the place of the job; several are logged, a line each.
        KeyboardInterrupt: it was stopped; what is done is in the manifest.
    """
    hosts = check_jobs(jobs, observers, executor.same_machine)
    outputs = outputs or Outputs(force=force)
    outputs.reads(documents)
    with opened(folder) as manifest:
        manifest.refuse_another(source, force)
        claim_outputs(jobs, manifest, outputs, hosts)
        manifest.plan(source, jobs, [job.key for job in jobs])
        return Painting(
            manifest, jobs, executor, retries, force, followers, observers, shown_in
        ).paint()


@dataclass
class Painting:
    """A batch that is being painted."""

    manifest: Manifest
    jobs: Sequence[Job]
    executor: Executor
    retries: int
    force: bool
    followers: Sequence[Follower]
    observers: Sequence[object] = ()
    shown_in: str = ""

    def paint(self) -> Progress:
        """Paint in rounds: those that failed or lost their worker come once more when all others ended."""
        states = {job.key: self.manifest.status(job.key) for job in self.jobs}
        self.progress = Progress(self.jobs, self.manifest.folder, states)
        self._tell(None)
        tries: Counter[str] = Counter()
        wanted = [job for job in self.jobs if states[job.key] in ("waiting", "failed")]
        if wanted:
            self.manifest.add({"called": time.time()})
        for job in wanted:
            states[job.key] = "waiting"
        with closing(self.executor):
            while wanted:
                self._round_or_stopped(wanted, tries)
                wanted = [job for job in wanted if self._comes_again(job, tries[job.key])]
        return self.progress

    def _round_or_stopped(self, wanted: Sequence[Job], tries: Counter[str]) -> None:
        try:
            self._round(wanted, tries)
        except KeyboardInterrupt:
            with StopSignals(hold=True).watched():
                self._stopped()
            raise

    def _round(self, wanted: Sequence[Job], tries: Counter[str]) -> None:
        with closing(self._ends(wanted)) as ends:
            for task, ended in ends:
                tries[task.job.key] += ended.status == "failed"
                signals = StopSignals(hold=True)
                with signals.watched():
                    self._ended(task.job, ended)
                signals.stop_if_asked()

    def _ends(self, wanted: Sequence[Job]) -> Generator[tuple[Task, Ended], None, None]:
        """What the executor gives.

        Raises:
            PluginError: it failed.
        """
        try:
            yield from self.executor.run(self._tasks(wanted), self._began)
        except ImpastoError:
            raise
        except Exception as error:
            kind = type(self.executor)
            what = one_line(f"executor {kind.__name__} failed: {type(error).__name__}: {error}")
            place = raised_at(error, defined_at(kind).rpartition(":")[0])
            raise PluginError(with_place(what, place)) from error

    def _comes_again(self, job: Job, failures: int) -> bool:
        state = self.progress.states[job.key]
        return state == "waiting" or (state == "failed" and failures <= self.retries)

    def _tasks(self, jobs: Iterable[Job]) -> list[Task]:
        folder = self.manifest.folder
        # Files of a job that this batch began before are its own.
        written, observers = self.manifest.written, tuple(self.observers)
        return [
            Task(
                job,
                os.fspath(folder),
                self.force or job.output in written,
                observers,
                this_process(),
            )
            for job in jobs
        ]

    def _began(self, task: Task) -> None:
        self.manifest.begin(task.job.key)
        self.progress.states[task.job.key] = "running"
        self._tell(task.job)

    def _ended(self, job: Job, ended: Ended) -> None:
        for warning in ended.warnings:
            logger.warning("%s (%s): %s", job.output, job.place, warning)
        error = self._said(job, ended.error)
        line = self.manifest.end(job.key, job.output, ended.status, error, ended.record)
        state = self.manifest.status(job.key)
        self.progress.states[job.key] = state
        self.progress.lines[job.key] = {**line, "status": state, "place": job.place, **ended.record}
        self.progress.ended += state != "waiting"
        if error:
            logger.warning("%s (%s): %s", job.output, job.place, error)
        self._tell(job)

    def _said(self, job: Job, error: str) -> str:
        """An error that names no file which is going to be removed."""
        if not self.shown_in:
            return error
        return error.replace(f"'{self.manifest.folder / job.output}'", self.shown_in)

    def _stopped(self) -> None:
        """Say how far the batch is; pictures so far of the jobs that were running are there."""
        for job in self.jobs:
            if self.progress.states[job.key] == "running":
                self.progress.states[job.key] = "stopped"
                self._tell(job)
        done, number = self.progress.count("done"), len(self.jobs)
        rest = "" if self.shown_in else "; the same call goes on with the rest"
        logger.info("%d of %d jobs are done%s", done, number, rest)

    def _tell(self, job: Job | None) -> None:
        for follow in self.followers:
            follow(self.progress, job)


def make_executor(spec: str, host: Host) -> Executor:
    """The executor that a SPEC names.

    Raises:
        SettingsError: there is none of that name, or an option does not fit.
        PluginError: it cannot be made, or is no executor.
    """
    executor = host.make("executor", Spec.parse(spec))
    if not isinstance(executor, Executor):
        raise SettingsError(
            f"executor '{spec}' made {type(executor).__name__}, not impasto.Executor"
        )
    return executor


Hosts = dict[tuple[str, tuple[str, ...]], Host]
"""The hosts of jobs, by the settings ``load`` and ``plugin``."""


def check_jobs(
    jobs: Sequence[Job], observers: Sequence[object] = (), same_machine: bool = False
) -> Hosts:
    """Refuse jobs with inputs that are not there, plugins or options that are not, or one output.

    Args:
        jobs: of a batch.
        observers: objects with hooks, for each run.
        same_machine: whether the jobs are done on this machine, so that its devices have to do.

    Raises:
        ImpastoError: the first; see :func:`refuse`.
    """
    if not jobs:
        raise SettingsError("there are no jobs")
    errors: list[ImpastoError] = [*refuse_same_outputs(jobs)]
    hosts: Hosts = {}
    checked = Checked()
    for job in jobs:
        one = job.settings
        try:
            key = (one.load, one.plugin)
            hosts[key] = hosts.get(key) or observed_host(*key, observers)
            check_specs(hosts[key], one)
            check_content(one, hosts[key])
            check_depth(Path(job.output), one.depth)
            if same_machine:
                checked.device(one.device)
            checked.pictures(one)
        except ImpastoError as error:
            errors.append(at(job.place, error))
    refuse(errors)
    return hosts


class Checked:
    """Inputs and devices that were looked at: many jobs have the same, and each is looked at once."""

    def __init__(self) -> None:
        """Start with none."""
        self.device = functools.cache(choose_device)
        self._file = functools.cache(check_input)

    def pictures(self, settings: Settings) -> None:
        """Refuse inputs that are not there or no pictures, the one to start from included.

        Raises:
            PictureError: with the first.
        """
        names = picture_files(settings)
        if settings.init.partition(":")[0].strip() not in INITIAL_IMAGES:
            names.append(settings.init)
        for name in names:
            if error := self._file(name, settings.max_megapixels):
                raise PictureError(str(error), settings=error.settings)


def check_input(name: str, max_megapixels: float) -> ImpastoError | None:
    """What is wrong with a picture or style file; None if nothing is."""
    files = InputFiles(max_megapixels)
    try:
        files.check_that_they_exist([name])
        if name.lower().endswith(STYLE_FILE):
            files.style_file(name)
        else:
            files.check(name)
    except ImpastoError as error:
        return error
    return None


def claim_outputs(jobs: Sequence[Job], manifest: Manifest, outputs: Outputs, hosts: Hosts) -> None:
    """Refuse outputs that cannot be written, are inputs or others, or are there and not of this batch.

    Raises:
        ImpastoError: the first; see :func:`refuse`.
    """
    outputs.reads(name for job in jobs for name in files_of(job.settings))
    errors: list[ImpastoError] = []
    for job in jobs:
        path, own = manifest.folder / job.output, job.output in manifest.written
        host = hosts[job.settings.load, job.settings.plugin]
        try:
            outputs.claim_folder(path.parent)
            outputs.claim(path, suffixes=SUFFIXES, replace=own)
            claim_files(job.settings, host, outputs, own)
        except ImpastoError as error:
            errors.append(at(job.place, error))
    refuse(errors)


def refuse(errors: Sequence[ImpastoError]) -> None:
    """Raise the only error, or log several and raise one that counts them.

    Raises:
        ImpastoError: if there is one.
    """
    if len(errors) == 1:
        raise errors[0]
    for error in errors:
        logger.error("%s", error, extra={"settings": error.settings})
    if errors:
        raise SettingsError(f"{counted(len(errors), 'job')} cannot be painted: none was started")


def retry_batch(
    folder: Path,
    executor: Executor,
    plugins: Sequence[str],
    observers: Sequence[object] = (),
    followers: Sequence[Follower] = (),
) -> Progress:
    """Try the jobs of a folder again that failed or were set aside, as its manifest has them.

    Args:
        folder: of the results.
        executor: does them.
        plugins: those of the jobs, named anew: a manifest loads no code by itself.
        observers: objects with life-cycle hooks, for each run.
        followers: are told when a job begins and ends.

    Raises:
        ImpastoError: no manifest, or what is wrong with a job.
        KeyboardInterrupt: it was stopped.
    """
    read_manifest(folder)
    with opened(folder) as manifest:
        before = [key for key in manifest.keys if manifest.status(key) != "done"]
        jobs = {key: job_of(manifest, key, plugins) for key in before}
        if not jobs:
            return Progress([], folder)
        hosts = check_jobs(list(jobs.values()), same_machine=executor.same_machine)
        claim_outputs(list(jobs.values()), manifest, Outputs(), hosts)
        keys = [jobs[key].key if key in jobs else key for key in manifest.keys]
        manifest.plan(manifest.batch, list(jobs.values()), keys)
        for job in jobs.values():
            manifest.add({"job": job.key, "status": "retry"})
        return Painting(
            manifest, list(jobs.values()), executor, 0, False, followers, observers
        ).paint()


def job_of(manifest: Manifest, key: str, plugins: Sequence[str]) -> Job:
    """A job as a manifest has it, with its inputs as they are now.

    Raises:
        PluginError: it has a plugin that is not named.
        OutputError: it would write files outside of the working folder and the results.
        ImpastoError: a setting does not fit, or an input cannot be read.
    """
    table, here = manifest.tables[key], Path.cwd()
    what = f"the manifest in '{manifest.folder}'"
    job = Job.from_table(table)
    refuse_unnamed(what, job.settings.plugin, plugins)
    refuse_writes_outside(what, table["settings"], here, (here, manifest.folder), OutputError)
    return job


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a folder.

    Raises:
        OutputError: there is none, or it cannot be read.
    """
    manifest = Manifest(folder)
    if not manifest.batch:
        raise OutputError(f"there is no batch in '{folder}'")
    return manifest
