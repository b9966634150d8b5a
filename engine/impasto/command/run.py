"""``impasto run``: one picture from two."""

from __future__ import annotations

import json
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.command.options import run_options
from impasto.settings.settings import gather

if TYPE_CHECKING:
    from impasto.optimization.result import Result


@click.command()
@run_options
@click.option(
    "--dry-run", is_flag=True, help="Paint nothing; say what the run takes in memory and time."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON record on standard output.")
@click.option("--quiet", is_flag=True, help="Show no progress bar.")
def run(
    content: str | None,
    painting: str | None,
    preset: str | None,
    config: str | None,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    **given: object,
) -> None:
    """Paint the picture CONTENT in the style of the picture STYLE.

    STYLE is FILE or FILE:key=value,key=value, and SPEC name or name:key=value,key=value; impasto
    plugins lists names and options. What is given here wins over the file, the file over the preset.
    """
    given = given_on_the_line(content, painting, given)
    settings = gather(given, preset, config)
    settings = settings.with_output(default_output(settings.content, settings.style))
    # Imported here, since it brings torch, and what is wrong above is said without that wait.
    if dry_run:
        from impasto.command.dry_run import foretell

        foretell(settings, as_json)
        return
    from impasto.command.malloc import ConfigureMalloc
    from impasto.jobs.run import run_settings

    result = run_settings(
        settings if quiet else settings.observed_by("progress"), observers=[ConfigureMalloc()]
    )
    report(result, as_json)


def report(result: Result, as_json: bool) -> None:
    """Say what became of a run: one JSON record on standard output, or a line for people."""
    if as_json:
        click.echo(json.dumps(result.as_record()))
    else:
        stopped = f" (stopped: {result.stopped})" if result.stopped else ""
        click.echo(
            f"{result.settings.output}: {result.picture.width} × {result.picture.height} pixels,"
            f" {result.steps} steps in {result.seconds:.1f} s{stopped}",
            err=True,
        )


def given_on_the_line(
    content: str | None, painting: str | None, options: dict[str, Any]
) -> dict[str, object]:
    """Settings from the command line: the first style stands there by its place, others by option."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    styles = (*([painting] if painting else []), *given.pop("style", ()))
    return {**given, "content": content, "style": styles or None}


def default_output(content: str, styles: Sequence[str | PathLike[str]]) -> str:
    """A name in the current folder made from the names of both pictures.

    >>> default_output("photos/town.jpg", ("night.jpg",))
    'town_as_night.png'
    """
    return f"{Path(content).stem}_as_{'_'.join(Path(style).stem for style in styles)}.png"
