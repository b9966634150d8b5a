"""``impasto grid``: every content in every style, in one sheet."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import click

from impasto.command.help import GroupedCommand
from impasto.command.many import asked_executor, many_options, paint_jobs
from impasto.command.options import complete_file, output_options, settings_options
from impasto.settings.settings import documents_of


@click.command(cls=GroupedCommand)
@click.argument("contents", metavar="CONTENTS", shell_complete=complete_file)
@click.argument("styles", metavar="STYLES", shell_complete=complete_file)
@click.option("-o", "--output", "sheet", default="grid.png", metavar="SHEET",
              shell_complete=complete_file,
              help="File of the sheet: PNG, JPEG, WebP, TIFF or PDF. [grid.png]")  # fmt: skip
@click.option("--cell", default=256, type=click.IntRange(32), metavar="N",
              help="Pixels of each picture in the sheet; as many as --size shows all of them."
              " [256]")  # fmt: skip
@click.option("--content", "more", multiple=True, metavar="CONTENTS",
              help="More contents. May be given several times.")  # fmt: skip
@many_options
@partial(settings_options, without=("output", "checkpoint"))
@output_options
def grid(
    contents: str,
    styles: str,
    sheet: str,
    cell: int,
    more: tuple[str, ...],
    folder: str,
    executor: str,
    retries: int,
    as_json: bool,
    preset: str | None,
    config: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Paint each of CONTENTS in each of STYLES, and lay the pictures out in one sheet.

    Each is a folder, a picture, or a quoted pattern as 'photos/*.jpg'. The sheet has contents along
    the top and styles down the side, and is written anew as pictures come in. Called again, it paints
    only what is missing or failed.
    """
    from impasto.jobs.grid import GridSheet
    from impasto.jobs.mirror import local_folder
    from impasto.jobs.rows import contents_in, jobs_of_pairs, styles_in

    given = {name: value for name, value in given.items() if value not in (None, ())}
    along = contents_in([contents, *more])
    down = styles_in([styles, *given.pop("style", ())])
    jobs = jobs_of_pairs(along, down, given, preset, config)
    made = asked_executor(executor, given)
    documents = documents_of(preset, config)
    place = local_folder(folder)
    laid_out = GridSheet(sheet, along, down, cell, jobs[0].settings, place, documents)
    paint_jobs(
        f"grid {os.path.abspath(sheet)}", jobs, folder, made, given, retries=retries,
        as_json=as_json, quiet=quiet, documents=documents, sheet=laid_out,
    )  # fmt: skip
