"""What commands print. Text that comes from files and names may not steer the terminal: it passes here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from impasto.errors import visible
from impasto.settings.plain_json import to_json


def say(text: str, *, err: bool = False) -> None:
    """Print lines of text, on standard output or standard error."""
    click.echo(visible(text, kept="\n"), err=err)


def say_json(value: object, indent: int | None = None) -> None:
    """Print a value as JSON on standard output; see :func:`impasto.settings.plain_json.to_json`."""
    click.echo(to_json(value, indent))


class SafeConsole(Console):
    """A console for tables of data: what is in them is shown, whatever it is, and steers nothing."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(visible(segment.text, kept="\n"), segment.style)
