"""``impasto batch``: many pictures, from rows of a file or a folder of contents."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.many import (
    asked_executor,
    duration,
    executor_option,
    follower,
    json_option,
    many_options,
    paint_jobs,
    report,
)
from impasto.command.options import (
    complete_file,
    complete_folder,
    output_options,
    settings_options,
)
from impasto.command.printing import say, say_json
from impasto.command.run import given_on_the_line
from impasto.errors import counted, visible
from impasto.settings.settings import documents_of


class BatchGroup(click.Group):
    """Words that are no command are those of ``paint``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, self._with_command(args, "--help", "-h"))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        return super().resolve_command(ctx, self._with_command(args))

    def _with_command(self, args: list[str], *others: str) -> list[str]:
        is_one = not args or args[0] in (*self.commands, *others)
        return args if is_one else ["paint", *args]


@click.group(cls=BatchGroup)
def batch() -> None:
    """Paint many pictures; what is done is not done again.

    impasto batch JOBS --folder FOLDER is short for impasto batch paint.
    """


@batch.command(cls=GroupedCommand)
@click.argument("jobs", metavar="JOBS", shell_complete=complete_file)
@click.argument("styles", metavar="[STYLE]...", nargs=-1, shell_complete=complete_file)
@many_options
@partial(settings_options, without=("output", "checkpoint"))
@output_options
def paint(
    jobs: str,
    styles: tuple[str, ...],
    folder: str,
    executor: str,
    retries: int,
    as_json: bool,
    preset: str | None,
    config: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint the jobs of JOBS.

    JOBS is a file of rows (.toml, .csv or .jsonl), each with the settings of one picture; or a folder
    of content pictures, or a quoted pattern, all painted in the style of STYLE. Called again, it
    paints only what is missing or failed.
    """
    given = given_on_the_line(None, styles, given)
    given = {name: value for name, value in given.items() if value is not None}
    from impasto.jobs.rows import ROWS, contents_in, jobs_of_pictures, jobs_of_rows

    if jobs.lower().endswith(ROWS):
        made = jobs_of_rows(jobs, given, preset, config)
    else:
        made = jobs_of_pictures(contents_in([jobs]), given, preset, config)
    paint_jobs(
        f"batch {os.path.abspath(jobs)}", made, folder, asked_executor(executor, given), given,
        retries=retries, as_json=as_json, quiet=quiet, documents=[jobs, *documents_of(preset, config)],
    )  # fmt: skip


@batch.command()
@click.argument("folder", metavar="FOLDER", shell_complete=complete_folder)
@click.option("--json", "as_json", is_flag=True,
              help="Print one JSON record on standard output for each job.")  # fmt: skip
def status(folder: str, as_json: bool) -> None:
    """Say what became of the jobs whose results are in FOLDER, and how far those are that run."""
    from impasto.jobs.mirror import results_in
    from impasto.jobs.status import status_of

    with results_in(folder) as (place, _):
        status = status_of(place)
    for job in status.jobs:
        if as_json:
            say_json(job.as_record())
        else:
            say(visible(str(job)))
    if not as_json:
        words = [f"{number} {state}" for state, number in status.counts().items()]
        if status.seconds_left is not None:
            words.append(f"about {duration(status.seconds_left)} left")
        say(f"{counted(len(status.jobs), 'job')}: {', '.join(words)}")


@batch.command()
@click.argument("folder", metavar="FOLDER", shell_complete=complete_folder)
@click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE",
              shell_complete=complete_file,
              help="Plugin that the jobs had: a manifest loads none by itself.")  # fmt: skip
@executor_option
@json_option
@output_options
def retry(folder: str, plugins: tuple[str, ...], executor: str, as_json: bool, quiet: bool) -> None:
    """Paint again what failed, was set aside or is missing in FOLDER, as its manifest has it."""
    from impasto.jobs.batch import retry_batch
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.mirror import results_in

    follow, shown = follower(as_json, quiet)
    with shown, results_in(folder) as (place, more):
        made = asked_executor(executor, {"plugin": plugins})
        progress = retry_batch(place, made, plugins, [ConfigureMalloc()], [*more, follow])
    report(progress, folder, quiet)
