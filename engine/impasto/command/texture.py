"""``impasto texture``: a texture of any size and shape, from style pictures alone."""

from __future__ import annotations

from functools import partial
from typing import Any, ClassVar

import click

from impasto.command.help import GroupedCommand
from impasto.command.options import complete_file, output_options, settings_options
from impasto.command.run import given_on_the_line, paint_one
from impasto.files.names import default_output
from impasto.settings.settings import Settings, documents_of, gather

PRESET = "texture"
"""What is taken where no preset is named."""

OF_THE_CONTENT = ("content_weight", "content_detail", "colors")
"""Settings that only a content picture gives a meaning."""


class TextureCommand(GroupedCommand):
    """A command that starts from the preset ``texture``."""

    preset: ClassVar[str] = PRESET


@click.command(cls=TextureCommand, epilog="SPEC is name or name:key=value,key=value."
               " All options: impasto texture --help-all. What is given here wins over --config, and that"
               " over the preset.")  # fmt: skip
@click.argument("styles", metavar="STYLE...", nargs=-1, shell_complete=complete_file)
@click.option("--variations", default=1, type=click.IntRange(1), metavar="N",
              help="Paint N textures from the seeds that follow --seed: OUT is a sheet of them, and each"
              " is a file in the folder of OUT's name. [1]")  # fmt: skip
@partial(settings_options, without=OF_THE_CONTENT)
@click.option("--dry-run", is_flag=True,
              help="Paint nothing; say what the run takes in memory and time.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print one JSON record on standard output.")
@output_options
def texture(
    styles: tuple[str, ...],
    variations: int,
    preset: str | None,
    config: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint a texture that looks like STYLE, or like several at once, with no content picture.

    --size takes any width and height, as 768x512.
    """
    settings = gather(given_on_the_line(None, styles, given), preset, config, PRESET)
    settings = settings.with_output(default_output(None, settings.style))
    documents = documents_of(preset, config)
    if variations > 1 and not dry_run:
        paint_variations(settings, variations, documents, as_json, quiet)
    else:
        paint_one(settings, documents, dry_run, as_json, quiet)


def paint_variations(
    settings: Settings, number: int, documents: list[str], as_json: bool, quiet: bool
) -> None:
    """Paint a batch with one seed for each variation, and the sheet; see the option.

    Raises:
        ImpastoError: what is wrong with a variation, or that some are not painted.
    """
    # Imported here, since it imports torch: errors before are shown without that wait.
    from impasto.command.many import asked_executor, paint_jobs
    from impasto.jobs.variations import VariationsSheet, folder_of, jobs_of_seeds

    jobs = jobs_of_seeds(settings, number)
    sheet = VariationsSheet(settings, documents)
    given = {"load": settings.load, "plugin": settings.plugin, "force": settings.force}
    paint_jobs(
        f"texture {settings.output}", jobs, str(folder_of(settings)),
        asked_executor("local", given), given,
        retries=0, as_json=as_json, quiet=quiet, documents=documents, sheet=sheet,
    )  # fmt: skip
