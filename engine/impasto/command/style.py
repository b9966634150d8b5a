"""``impasto style``: a painting's style as a file of its own."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from impasto.command.help import GroupedCommand
from impasto.command.options import complete_file, settings_options
from impasto.command.printing import say, say_json

OF_THE_RESULT = ("style", "steps", "coarse_steps", "tolerance", "optimizer", "schedule", "ema",
                 "canvas", "callback", "init", "content_detail", "compile", "colors", "side", "seamless",
                 "style_weight", "content_weight", "regions", "region_weight")  # fmt: skip
"""Settings that do not change the statistics of a style."""


@click.group()
def style() -> None:
    """Learn a painting's style into a file, or show one."""


@style.command(cls=GroupedCommand)
@click.argument("painting", metavar="PAINTING", shell_complete=complete_file)
@partial(settings_options, without=OF_THE_RESULT)
def learn(painting: str, output: str | None, **given: object) -> None:
    """Learn the style of PAINTING into a file, which impasto run then takes in its place.

    PAINTING is FILE or FILE:scale=0.5. Give the network, losses, size and scales of the runs that
    will use it; a run that differs is refused.
    """
    from impasto.api.functions import learn as learn_style
    from impasto.files.names import longer
    from impasto.settings.style import STYLE_FILE, Style

    given = {name: value for name, value in given.items() if value not in (None, ())}
    parsed = Style.parse(painting)
    file = output or longer(Path(parsed.file).stem, STYLE_FILE)
    record = learn_style(parsed, file, **given)  # type: ignore[arg-type]
    sizes = ", ".join(map(str, record["sizes"]))
    megabytes = Path(file).stat().st_size / 1e6
    say(f"{file}: for results of {sizes} pixels, {megabytes:.1f} MB", err=True)


@style.command()
@click.argument("file", metavar="FILE.style", shell_complete=complete_file)
def show(file: str) -> None:
    """Show what FILE.style was learned with, as JSON on standard output."""
    from impasto.storage.style_file import read_style_file

    say_json(read_style_file(file).record, indent=2)
