"""``impasto resume``: go on with a run that was stopped, from its checkpoint."""

from __future__ import annotations

import sys

import click

from impasto.command.options import complete_file, complete_folder, output_options, processes_option
from impasto.command.run import report


@click.command()
@click.argument("folder", metavar="DIR", shell_complete=complete_folder)
@click.option("--plugin", "plugins", multiple=True, metavar="FILE|MODULE",
              shell_complete=complete_file,
              help="Plugin that the run had: a checkpoint loads none by itself.")  # fmt: skip
@click.option("--force", is_flag=True,
              help="Overwrite files in the run's outputs that it did not write itself.")  # fmt: skip
@click.option("--trust", is_flag=True,
              help="Write all that the run wrote, wherever that is.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON record on standard output.")
@processes_option
@output_options
def resume(
    folder: str,
    plugins: tuple[str, ...],
    force: bool,
    trust: bool,
    as_json: bool,
    processes: int,
    quiet: bool,
) -> None:
    """Go on with the run that has its checkpoint in DIR.

    It ends with the picture that the run would have given without a stop, bit for bit on the same
    machine, and writes it to the run's output. Code comes from --plugin alone, never from the checkpoint.
    """
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.processes import InStep, connected
    from impasto.jobs.resume import follow
    from impasto.jobs.resume import resume as resume_run

    with connected(processes, sys.argv[1:], "auto") as ranks:
        observers = [ConfigureMalloc(), *([InStep(ranks)] if ranks else [])]
        if ranks is not None and not ranks.is_first:
            follow(folder, plugins, observers)
            return
        result = resume_run(
            folder,
            lambda settings: settings.watched(quiet),
            plugins=plugins,
            force=force,
            trust=trust,
            observers=observers,
        )
    report(result, as_json, quiet)
