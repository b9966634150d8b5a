"""``impasto sweep``: all combinations of some settings in one labeled sheet."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.many import executor_option, follower, json_option, retries_option
from impasto.command.options import complete_folder, output_options, run_options
from impasto.command.printing import say
from impasto.command.run import given_on_the_line
from impasto.files.names import default_output, longer
from impasto.settings.settings import documents_of, gather


@click.command(cls=GroupedCommand)
@run_options
@click.option("--vary", multiple=True, required=True, metavar="KEY=VALUE,VALUE",
              help="A setting, or an option of a plugin as in loss.gram.weight=10,100, with its"
              " values; separate values that contain commas by semicolons. May be given several"
              " times.")  # fmt: skip
@click.option("--cell", default=256, type=click.IntRange(32), metavar="N",
              help="Pixels of each picture in the sheet. [256]")  # fmt: skip
@click.option("--folder", metavar="FOLDER", shell_complete=complete_folder,
              help="Keep the pictures in this folder, with the manifest that says what is done, so"
              " that the same call goes on where it stopped.")  # fmt: skip
@executor_option
@retries_option
@json_option
@output_options
def sweep(
    content: str | None,
    styles: tuple[str, ...],
    vary: tuple[str, ...],
    cell: int,
    folder: str | None,
    executor: str,
    retries: int,
    as_json: bool,
    preset: str | None,
    config: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint CONTENT in the style of STYLE with all combinations of some settings.

    The results stand in one labeled sheet, the values of the last --vary side by side. All other
    options are those of impasto run.
    """
    settings = gather(given_on_the_line(content, styles, given), preset, config)
    name = Path(default_output(settings.content, settings.style))
    settings = settings.with_output(longer(name.stem, "_sweep.png"))
    from impasto.jobs.malloc import ConfigureMalloc
    from impasto.jobs.sweep import Vary, sweep_settings

    follow, shown = follower(as_json, quiet)
    with shown:
        sheet = sweep_settings(
            settings, [Vary.parse(text) for text in vary], cell,
            None if folder is None else Path(folder), executor=executor, retries=retries,
            observers=[ConfigureMalloc()], documents=documents_of(preset, config),
            followers=[follow],
        )  # fmt: skip
    if not quiet:
        say(f"{settings.output}: {sheet.width} × {sheet.height} pixels", err=True)
