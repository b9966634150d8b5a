"""What commands with many jobs have in common: options, and how they say how far they are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bar
from rich.text import Text

from impasto.command.options import complete_folder
from impasto.command.printing import say, say_json
from impasto.errors import SettingsError, counted, visible

if TYPE_CHECKING:
    from impasto.jobs.batch import Follower, Progress
    from impasto.jobs.job import Job
    from impasto.jobs.sheet import Sheet
    from impasto.jobs.worker import Executor

Command = Callable[..., Any]


def many_options(command: Command) -> Command:
    """Add where results go, who paints, and how failures are dealt with."""
    for option in (json_option, retries_option, executor_option, folder_option):
        command = option(command)
    return command


folder_option = click.option(
    "--folder", required=True, metavar="FOLDER", shell_complete=complete_folder,
    help="Folder of the results, or its URL, with the manifest that says what is done.",
)  # fmt: skip
retries_option = click.option(
    "--retries", default=0, type=click.IntRange(0), metavar="N",
    help="How often to try a job again that failed. [0]",
)  # fmt: skip


executor_option = click.option(
    "--executor", default="local", metavar="SPEC",
    help="Where jobs are done: local, processes:workers=2 …; impasto plugins lists them. [local]",
)  # fmt: skip
json_option = click.option(
    "--json", "as_json", is_flag=True,
    help="Print one JSON record on standard output for each job as it ends.",
)  # fmt: skip


def follower(as_json: bool, quiet: bool) -> tuple[Follower, AbstractContextManager[object]]:
    """Who says how far a batch is, and the context in which it can."""
    if quiet or not sys.stderr.isatty():
        return Lines(as_json, quiet).follow, nullcontext()
    bars = Bars(as_json)
    return bars.follow, bars.bar


class Lines:
    """A line for each job that ends: for files and pipes."""

    def __init__(self, as_json: bool, quiet: bool) -> None:
        self.as_json, self.quiet = as_json, quiet

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Say what became of a job."""
        line = progress.lines.get(job.key) if job else None
        if job is None or line is None or progress.states[job.key] in ("running", "stopped"):
            return
        if self.as_json:
            say_json(line)
        if not self.quiet:
            say(f"{job.output}: {line['status']}; {standing(progress)}", err=True)


class Bars(Lines):
    """A bar over all jobs on the terminal, with the pictures that are being painted."""

    def __init__(self, as_json: bool) -> None:
        super().__init__(as_json, quiet=True)
        self.bar = Bar(
            BarColumn(),
            TextColumn("{task.description}", markup=False),
            Running(self),
            console=Console(stderr=True),
            refresh_per_second=2,
        )
        self.progress: Progress | None = None
        self.task = self.bar.add_task("", total=None)

    def follow(self, progress: Progress, job: Job | None) -> None:
        """Move the bar."""
        super().follow(progress, job)
        self.progress = progress
        self.bar.update(
            self.task,
            total=len(progress.jobs),
            completed=len(progress.jobs) - progress.count("waiting", "running"),
            description=standing(progress),
        )


class Running(ProgressColumn):
    """The jobs that are being painted, with their steps: looked at each time that the bar is drawn."""

    def __init__(self, bars: Bars) -> None:
        super().__init__()
        self.bars = bars

    def render(self, task: object) -> Text:
        """Draw it."""
        progress = self.bars.progress
        if progress is None:
            return Text()
        running = [job for job in progress.jobs if progress.states[job.key] == "running"]
        return Text(visible("; ".join(steps_of(progress.folder, job) for job in running)))


def steps_of(folder: Path, job: Job) -> str:
    """The name of a job's picture, and how far it is, if that is known."""
    from impasto.jobs.live import standing_in
    from impasto.jobs.manifest import work_of

    at = standing_in(work_of(folder, job.key))
    return f"{job.output} {at}" if at else job.output


def standing(progress: Progress) -> str:
    """How far a batch is, in a few words."""
    words = [f"{progress.count('done')} of {counted(len(progress.jobs), 'job')} done"]
    for state in ("failed", "set aside"):
        if number := progress.count(state):
            words.append(f"{number} {state}")
    if (left := progress.seconds_left()) and progress.count("waiting", "running"):
        words.append(f"about {duration(left)} left")
    return ", ".join(words)


def duration(seconds: float) -> str:
    """A time for people.

    >>> duration(40), duration(400), duration(40_000)
    ('40 s', '7 min', '11.1 h')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def asked_executor(spec: str, given: Mapping[str, Any]) -> Executor:
    """The executor of the option ``--executor``, which may be of a plugin that the settings load.

    Raises:
        SettingsError: there is none of that name, or an option does not fit.
        PluginError: it cannot be made, or a plugin cannot be loaded.
    """
    from impasto.builtin import build_host
    from impasto.jobs.batch import make_executor

    return make_executor(spec, build_host(str(given.get("load", "all")), given.get("plugin", ())))


def paint_jobs(
    source: str,
    jobs: Sequence[Job],
    folder: str,
    executor: Executor,
    given: Mapping[str, Any],
    *,
    retries: int,
    as_json: bool,
    quiet: bool,
    documents: Sequence[str],
    sheet: Sheet | None = None,
) -> None:
    """Paint jobs as the options of :func:`many_options` say, and say what became of them.

    Args:
        source: what the jobs were made from.
        jobs: in the order in which to begin.
        folder: of the results.
        executor: does them; see :func:`asked_executor`.
        given: settings of all jobs, by name.
        retries: how often a job that failed is tried again.
        as_json: print a record for each job.
        quiet: say nothing but errors.
        documents: files that the jobs come from.
        sheet: of the pictures, if one is wanted.

    Raises:
        ImpastoError: what is wrong with a job, or that some are not painted.
    """
    from impasto.jobs.batch import paint_batch
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.mirror import results_in

    follow, shown = follower(as_json, quiet)
    with shown, results_in(folder) as (place, more):
        progress = paint_batch(
            source, jobs, place, executor, retries=retries, force=bool(given.get("force")),
            documents=documents, observers=[ConfigureMalloc()],
            followers=[*more, *([sheet.follow] if sheet else []), follow],
            outputs=sheet.outputs if sheet else None,
        )  # fmt: skip
        if sheet is not None:
            sheet.finish()
    report(progress, folder, quiet)


def report(progress: Progress, folder: str, quiet: bool) -> None:
    """Say what became of a batch.

    Raises:
        SettingsError: a job failed, or was set aside.
    """
    if not quiet:
        say(f"{folder}: {standing(progress)}", err=True)
    if missing := progress.count("failed", "set aside"):
        raise SettingsError(
            f"{counted(missing, 'job')} not painted: impasto batch status {folder} says why,"
            f" and impasto batch retry {folder} tries again"
        )
