"""``impasto run``: one picture from two."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.options import output_options, processes_option, run_options
from impasto.command.printing import say, say_json
from impasto.errors import counted
from impasto.files.names import default_output
from impasto.settings.settings import Settings, documents_of, gather

if TYPE_CHECKING:
    from impasto.optimization.result import Result


@click.command(cls=GroupedCommand, epilog="SPEC is name or name:key=value,key=value."
               " All options: impasto run --help-all. What is given here wins over --config, and that over"
               " the preset.")  # fmt: skip
@run_options
@click.option("--dry-run", is_flag=True,
              help="Paint nothing; say what the run takes in memory and time.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON record on standard output.")
@processes_option
@output_options
def run(
    content: str | None,
    styles: tuple[str, ...],
    preset: str | None,
    config: str | None,
    dry_run: bool,
    as_json: bool,
    processes: int,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint the picture CONTENT in the style of the picture STYLE, or of several."""
    settings = gather(given_on_the_line(content, styles, given), preset, config)
    settings = settings.with_output(default_output(settings.content, settings.style))
    paint_one(settings, documents_of(preset, config), dry_run, as_json, quiet, processes)


def paint_one(
    settings: Settings,
    documents: Sequence[str],
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    processes: int = 1,
) -> None:
    """Paint one picture and report it, or say what it would take.

    Args:
        settings: of the run.
        documents: files that the settings come from.
        dry_run: paint nothing.
        as_json: print one JSON record.
        quiet: print no progress and no line for people.
        processes: that paint it together.

    Raises:
        ImpastoError, RunFailed, Interrupted: see :func:`impasto.run`.
    """
    # Imported here, since it imports torch: errors before are shown without that wait.
    if dry_run:
        from impasto.command.dry_run import foretell

        foretell(settings, as_json)
        return
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.processes import InStep, connected, of_rank
    from impasto.jobs.run import run_settings

    with connected(processes, sys.argv[1:], settings.device) as ranks:
        result = run_settings(
            of_rank(settings.watched(quiet), ranks),
            observers=[ConfigureMalloc(), *([InStep(ranks)] if ranks else [])],
            documents=documents,
        )
    if ranks is None or ranks.is_first:
        report(result, as_json, quiet)


def report(result: Result, as_json: bool, quiet: bool) -> None:
    """Print the outcome of a run: one JSON record on standard output, or a line for people."""
    if as_json:
        say_json(result.as_record())
    elif not quiet:
        stopped = f" (stopped: {result.stopped})" if result.stopped else ""
        say(
            f"{result.settings.output}: {result.picture.width} × {result.picture.height} pixels,"
            f" {counted(result.steps, 'step')} in {result.seconds:.1f} s{stopped}",
            err=True,
        )


def given_on_the_line(
    content: str | None, styles: Sequence[str], options: dict[str, Any]
) -> dict[str, object]:
    """Settings from the command line: styles by their place come before those by option."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    both = (*styles, *given.pop("style", ()))
    return {**given, "content": content, "style": both or None}
